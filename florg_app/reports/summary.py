"""What a run's round records add up to: progress lines, totals, best values and the final table. Pure, no files."""

import io
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from florg_app.code_version import code_fingerprint
from florg_app.reports import costs, weights

Record = Mapping[str, Any]

LOWER_IS_BETTER = frozenset({"loss", "perplexity", "own-loss", "own-perplexity"})

_COUNTS = ("adapter-numbers", "adapter-payload-bytes", "head-numbers", "head-payload-bytes", "wire-bytes")
_PACKAGES = ("florg-app", "flwr", "torch", "transformers", "datasets", "safetensors", "numpy", "ray")


def format_bytes(num_bytes: float) -> str:
    """A number of bytes for people, in powers of 1000: 36100 -> "36.1 kB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(num_bytes) < 999.95 or unit == "GB":
            break
        num_bytes /= 1000
    return f"{num_bytes:.0f} B" if unit == "B" else f"{num_bytes:.1f} {unit}"


def progress_line(record: Record, num_rounds: int) -> list[str]:
    """One line about a round, then one line for each thing that went wrong in it."""
    width = len(str(num_rounds))
    parts = [f"round {record['round']:>{width}}/{num_rounds}"]
    if record.get("skipped"):
        parts.append("SKIPPED")
    sampled = record.get("sampled", ())
    if sampled:
        parts.append(f"clients {len(record['accepted'])}/{len(sampled)}")
    parts += _losses(record.get("train") or {})
    for name, value in evaluation_line(record).items():
        parts.append(f"{'eval ' if name == 'loss' else ''}{name} {_number(value)}")
    if sampled:
        parts += [f"{way} {format_bytes(record[way]['wire-bytes'])}" for way in ("up", "down")]
    if spent := record.get("privacy"):
        parts.append(f"ε {spent['epsilon']:.3g} (δ {spent['delta']:g})")
    if record.get("seconds"):
        parts.append(f"{sum(record['seconds'].values()):.1f} s")
    lines = ["  ".join(parts)]
    if record.get("skipped"):
        lines.append(f"round {record['round']} skipped, the model stays as it was: {record['skipped']}")
    lines += weights.lowered_lines(record)
    return lines + [_rejection(rejected) for rejected in record.get("rejected", ())]


def _rejection(rejected: Record) -> str:
    who = "a reply from nobody asked" if rejected["partition"] is None else f"partition {rejected['partition']}"
    return f"{who} rejected: {rejected['reason']}"


def summarise_run(records: Sequence[Record], num_rounds: int) -> dict[str, Any]:
    """Totals, and the final and best evaluation metrics, of rounds that were recorded; JSON-ready but for NaN."""
    evaluated = [(record["round"], evaluation_line(record)) for record in records if evaluation_line(record)]
    return {
        "rounds": {
            "planned": num_rounds,
            "done": max((record["round"] for record in records), default=0),
            "skipped": sum(bool(record.get("skipped")) for record in records),
        },
        "uploads": {
            "accepted": sum(len(record.get("accepted", ())) for record in records),
            "rejected": sum(len(record.get("rejected", ())) for record in records),
            "largest-share": weights.largest_share(records),
        },
        "initial": dict(evaluated[0][1]) if evaluated and evaluated[0][0] == 0 else {},
        "final": {"round": evaluated[-1][0], **evaluated[-1][1]} if evaluated else {},
        "best": _best(evaluated),
        "skipped-rows": _skipped_rows(records),
        "communication": {way: _total(records, way) for way in ("up", "down")},
        "seconds": _total_seconds(records),
        **costs.summarise_resources(records),
        "costs": costs.summarise_costs(records),
        "privacy": next((dict(record["privacy"]) for record in reversed(records) if record.get("privacy")), {}),
    }


def package_versions() -> dict[str, str]:
    """Of our source, Python, the platform and the packages that decide what a run computes, where they are there."""
    found = {"source": code_fingerprint(), "python": platform.python_version(), "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # the application itself, where Flower brought it as a bundle
            continue
    return found


def summary_table(summary: Record) -> str:
    """The summary of a run as text, at most 100 columns wide."""
    from rich.console import Console  # here, since only the end of a run needs it

    console = Console(file=io.StringIO(), width=100, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        rounds, uploads = summary["rounds"], summary["uploads"]
        name = summary["settings"].get("strategy.name", "")
        task = summary["settings"].get("task.name", "")
        console.print(f"{name} on {task}: {summary['status']}", highlight=False, markup=False)
        if summary["reason"]:
            console.print(summary["reason"], markup=False)
        if early := summary.get("ended-early"):
            console.print(early, markup=False, highlight=False)
        for resume in summary.get("resumed", ()):
            console.print(
                f"resumed after round {resume['after']} from {resume['source']}", markup=False, soft_wrap=True
            )
        console.print(
            f"{rounds['done']} of {rounds['planned']} rounds, {rounds['skipped']} skipped; "
            f"{uploads['accepted']} uploads accepted, {uploads['rejected']} rejected; "
            f"{summary['seconds']['total']:.1f} s"
        )
        if largest := uploads.get("largest-share"):
            console.print(weights.share_line(largest), highlight=False)
        if any(skipped := summary.get("skipped-rows", {}).values()):
            console.print(f"task.bad-rows = skip: clients left out up to {max(skipped)} training rows as bad")
        console.print(_metrics_table(summary))
        console.print(_traffic_table(summary["communication"]))
        for line in costs.resource_lines(summary, format_bytes):
            console.print(line, highlight=False)
        if spent := summary.get("privacy"):
            where = summary["settings"]["privacy.where"]
            console.print(
                f"differential privacy: ε {spent['epsilon']:.3g} at δ {spent['delta']:g} for a client asked in "
                f"{spent['rounds']} rounds; noise by the {where}",
                highlight=False,
            )
        if measured := summary.get("costs"):
            console.print(costs.cost_line(measured, format_bytes), highlight=False)
    return "\n".join(line.rstrip() for line in capture.get().splitlines() if line.strip())


def _metrics_table(summary: Record):
    final = {name: value for name, value in summary["final"].items() if name != "round"}
    out = _rich_table("metric", "before training", f"round {summary['final'].get('round', '-')}", "best", "in round")
    for name, value in final.items():
        best = summary["best"].get(name, {})
        before = summary["initial"].get(name)
        out.add_row(name, _number(before), _number(value), _number(best.get("value")), str(best.get("round", "-")))
    return out


def _traffic_table(communication: Record):
    out = _rich_table(
        "all clients", "adapter numbers", "adapter payload", "head numbers", "head payload", "on the wire"
    )
    for way, total in communication.items():
        cells = [f"{total[key]:,}" if key.endswith("numbers") else format_bytes(total[key]) for key in _COUNTS]
        out.add_row(way, *cells)
    return out


def _rich_table(*columns: str):
    from rich.box import SIMPLE_HEAD
    from rich.table import Column, Table

    return Table(columns[0], *(Column(name, justify="right") for name in columns[1:]), box=SIMPLE_HEAD)


def _losses(train: Record) -> list[str]:
    return [f"loss {_number(train['loss'])}"] if "loss" in train else []


def evaluation_line(record: Record) -> Record:
    """The server's scores of a round by name, and as own-... the mean of what clients gave to their own models."""
    own = (record.get("own") or {}).get("mean") or {}
    return {**(record.get("evaluation") or {}), **{f"own-{name}": value for name, value in own.items()}}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _best(evaluated: Sequence[tuple[int, Record]]) -> dict[str, Any]:
    best: dict[str, Any] = {}
    for t, metrics in evaluated:
        for name, value in metrics.items():
            if value is None:  # NaN in the evaluation
                continue
            better = min if name in LOWER_IS_BETTER else max
            if name not in best or better(value, best[name]["value"]) != best[name]["value"]:
                best[name] = {"value": value, "round": t}
    return best


def _skipped_rows(records: Sequence[Record]) -> dict[str, int]:
    """Bad rows that each client left out of its training file, by partition id, where it was told to."""
    found: dict[str, int] = {}
    for record in records:
        for partition, metrics in (record.get("clients") or {}).items():
            if "skipped-rows" in metrics:
                found[str(partition)] = int(metrics["skipped-rows"])
    return found


def _total(records: Sequence[Record], way: str) -> dict[str, int]:
    return {key: sum((record.get(way) or {}).get(key, 0) for record in records) for key in _COUNTS}


def _total_seconds(records: Sequence[Record]) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for record in records:
        for phase, value in record.get("seconds", {}).items():
            seconds[phase] = seconds.get(phase, 0.0) + value
    return seconds
