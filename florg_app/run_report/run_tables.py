"""The tables of runs side by side: scores, what was sent, the combination, seconds and memory, privacy."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from florg_app.pages.tables import Table, format_count
from florg_app.reports.best_round import best_state
from florg_app.reports.costs import CLIENT_SECONDS, PEAK_BYTES
from florg_app.reports.summary import format_bytes
from florg_app.run_report.measured import bytes_so_far, diagnosed, score_names, score_points, seconds_by_phase
from florg_app.run_report.reported_run import ReportedRun, ReportedRuns
from florg_app.run_report.runs_table import Row, runs_table


def score_table(runs: ReportedRuns) -> Table:
    """Say of every score what it was before training, at the end and at best."""
    names = dict.fromkeys(name for run in runs for name in score_names(run.records))
    rows = [row for name in names for row in _score_rows(name)]
    notes = ("Of the model after a round; own-…: mean of what clients gave to the model that they received.",)
    return runs_table("scores", "Scores", runs, rows, notes)


def _score_rows(name: str) -> Iterator[Row]:
    def at(run: ReportedRun, place: Callable[[Mapping[int, float]], int]) -> float | None:
        points = score_points(run.records, name)
        return points[place(points)] if points else None

    def best(run: ReportedRun, read: Callable[[Any], Any]) -> Any:
        found = best_state(run.records, name)
        return None if found is None else read(found)

    yield name, "first", lambda run: at(run, min), _number
    yield name, "last", lambda run: at(run, max), _number
    yield name, "best", lambda run: best(run, lambda found: found.value), _number
    yield name, "best after round", lambda run: best(run, lambda found: found.t), str


_SENT = {
    "on the wire": ("wire-bytes", format_bytes),
    "payload of the adapters": ("adapter-payload-bytes", format_bytes),
    "payload of the head": ("head-payload-bytes", format_bytes),
    "numbers of the adapters": ("adapter-numbers", format_count),
    "numbers of the head": ("head-numbers", format_count),
}


def traffic_table(runs: ReportedRuns, score: str | None) -> Table:
    """Say what all clients together sent and received, and what had been sent when the score was at its best."""
    rows: list[Row] = []
    for what, (key, write) in _SENT.items():
        for way in ("up", "down"):
            rows.append((what, way, _dig("communication", way, key), write))
    if score is not None:
        rows.append(
            ("on the wire", f"both, until the best {score}", lambda run: _sent_until_best(run, score), format_bytes)
        )
    notes = ("All clients together. A payload is the numbers alone; the wire has their headers and names too.",)
    return runs_table("traffic", "What was sent", runs, rows, notes)


def _sent_until_best(run: ReportedRun, score: str) -> float | None:
    best = best_state(run.records, score)
    return None if best is None else bytes_so_far(run.records).get(best.t)


DIAGNOSTICS: Mapping[str, tuple[str, Callable[[Sequence[float]], float]]] = {
    "aggregation-error": ("aggregation error, largest", max),
    "drift": ("drift of A in a round, mean", fmean),
    "drift-unaligned": ("the same without alignment", fmean),
    "lambda-min": ("smallest eigenvalue of A Aᵀ, last", lambda values: values[-1]),
    "lambda-max": ("largest eigenvalue of A Aᵀ, last", lambda values: values[-1]),
}
"""The numbers that diagnostics have, in words, and what is made of their rounds; of others, the last is shown."""


def combination_table(runs: ReportedRuns) -> Table:
    """Say by group of layers how the rounds' steps kept what the clients had learned."""
    found = {
        (group, name): None
        for run in runs
        for record in run.records
        for group, numbers in (record.get("diagnostics") or {}).items()
        for name in numbers
    }
    rows = [_diagnostic_row(group, name) for group, name in found]
    notes = (
        "Aggregation error: ‖ΔW of the server − mean of the clients' ΔW‖ over the norm of that mean. A group is all "
        "adapted layers of one shape.",
    )
    return runs_table("combination", "By group of layers", runs, rows, notes if rows else ())


def _diagnostic_row(group: str, name: str) -> Row:
    words, sum_up = DIAGNOSTICS.get(name, (f"{name}, last", lambda values: values[-1]))

    def read(run: ReportedRun) -> float | None:
        points = diagnosed(run.records, name).get(group)
        return sum_up(list(points.values())) if points else None

    return group, words, read, "{:.4g}".format


def phase_table(runs: ReportedRuns) -> Table:
    """Say how long each phase took, on the server in all and on a client in a round."""
    phases = dict.fromkeys(phase for run in runs for phase in seconds_by_phase(run.records))
    rows: list[Row] = [("run", phase, _dig("seconds", phase), _seconds) for phase in phases]
    rows.append(("run", "in all", lambda run: run.summary.seconds.get("total") if run.summary else None, _seconds))
    for kind in ("mean", "longest"):
        for phase in ("load", "data", "train"):
            rows.append((f"client's round, {kind}", phase, _dig(CLIENT_SECONDS, phase, kind), _seconds))
    notes = ("The train of the run is the server's wait for its clients; in all has what lies between the phases too.",)
    return runs_table("seconds", "Seconds by phase", runs, rows, notes)


def memory_table(runs: ReportedRuns) -> Table:
    """Say the most memory that the server and a client ever held."""
    rows: list[Row] = [("peak", who, _dig(PEAK_BYTES, who), format_bytes) for who in ("server", "client")]
    return runs_table("memory", "Peak memory", runs, rows)


def privacy_table(runs: ReportedRuns) -> Table:
    """Say what differential privacy spent, of the runs that had it."""
    keys = {"ε": ("epsilon", "{:.3g}"), "δ": ("delta", "{:g}"), "rounds": ("rounds", "{}")}
    rows: list[Row] = [("spent", what, _dig("privacy", key), form.format) for what, (key, form) in keys.items()]
    rows.append(
        ("spent", "noise by", lambda run: run.settings.get("privacy.where") if run.sums["privacy"] else None, str)
    )
    notes = ("For the client that was asked most often, in so many rounds.",)
    return runs_table("privacy", "Differential privacy", runs, rows, notes)


def _dig(*keys: str) -> Callable[[ReportedRun], Any]:
    """Take what lies under these keys of a run's sums; None where one of them is not there."""

    def read(run: ReportedRun) -> Any:
        found: Any = run.sums
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    return read


def _number(value: float) -> str:
    return f"{value:.4f}" if value == 0 or abs(value) >= 1e-4 else f"{value:.1e}"


def _seconds(value: float) -> str:
    return f"{value:,.1f}"
