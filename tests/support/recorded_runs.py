"""Folders of runs with known rounds, as a run leaves them, written without running anything."""

import json
from pathlib import Path
from typing import Any

TRAFFIC = {
    "adapter-numbers": 100,
    "adapter-payload-bytes": 400,
    "head-numbers": 7,
    "head-payload-bytes": 28,
    "wire-bytes": 500,
}
LATE_REASON = "no reply before the time-out of 3 s"


def recorded_round(t: int, losses: dict[int, float], accuracy: float, **more: Any) -> dict[str, Any]:
    """Round t, in which the clients of these partitions were accepted with these losses.

    `rejected` has the reason by partition, or a list of records.
    """
    refused = more.pop("rejected", {})
    rejected = refused if isinstance(refused, list) else [{"partition": p, "reason": r} for p, r in refused.items()]
    named = [one["partition"] for one in rejected if one["partition"] is not None]
    return {
        "round": t,
        "sampled": sorted({*losses, *named}),
        "accepted": sorted(losses),
        "rejected": rejected,
        "skipped": "",
        "train": {"loss": sum(losses.values()) / len(losses)} if losses else {},
        "clients": {
            str(p): {"loss": loss, "num-examples": 10 + p, "peak-memory-bytes": 1000 + p, "seconds": 0.5}
            for p, loss in losses.items()
        },
        "evaluation": {"accuracy": accuracy, "loss": 1 - accuracy},
        "up": TRAFFIC if t else {},
        "down": TRAFFIC if t else {},
        "diagnostics": {"6x5": {"aggregation-error": 0.5 / (t + 1), "drift": 1.0 + t}} if t else {},
        "seconds": {"train": 2.0, "aggregate": 0.1, "evaluate": 0.5} if t else {"evaluate": 0.5, "load": 1.0},
        "peak-memory-bytes": 5_000_000 + t,
        **more,
    }


def usual_rounds(num_rounds: int = 3, **more: Any) -> list[dict[str, Any]]:
    """Three clients, of which partition 2 is the worst and partition 1 is late in round 2."""
    records = [recorded_round(0, {}, 0.4)]
    for t in range(1, num_rounds + 1):
        losses = {0: 0.5 / t, 1: 0.6 / t, 2: 0.9 / t}
        late = {1: LATE_REASON} if t == 2 else {}
        kept = {p: loss for p, loss in losses.items() if p not in late}
        records.append(recorded_round(t, kept, 0.4 + 0.1 * t, rejected=late, **more))
    return records


def write_recorded_run(folder: Path, records: list[dict[str, Any]], **changes: Any) -> Path:
    """Write the folder of a run with these rounds; `status=None` leaves the summary out."""
    folder.mkdir(parents=True)
    (folder / "history.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    settings = {"strategy.name": "florg", "task.name": "tiny", "num-server-rounds": 3, **changes.pop("settings", {})}
    summary = {
        "status": "completed",
        "reason": "",
        "ended-early": "",
        "resumed": [],
        "settings": settings,
        "versions": {"torch": "2.13.0"},
        "hardware": {"cpu": "a processor"},
        "seconds": {"total": 12.5},
        **changes,
    }
    if summary["status"] is not None:
        (folder / "summary.json").write_text(json.dumps(summary))
    return folder
