"""What one round did, as plain data for the report."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from strategies.exchange.screening import Metrics, Rejected, Upload
from strategies.exchange.traffic import Traffic
from strategies.exchange.wire import EXAMPLES, OWN, PARTITION


@dataclass
class RoundRecord:
    """Round t as the server saw it; uploads without their tensors."""

    t: int
    sampled: list[int]
    accepted: list[Upload] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    skipped: str = ""
    """Why the state was kept; empty when the round counted."""
    weights: dict[int, float] = field(default_factory=dict)
    down: Traffic = field(default_factory=Traffic)
    diagnostics: dict[str, dict[str, float]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_bytes: int | None = None
    """The most that the server's process has held so far, on its device; None where nobody looked."""
    costs: dict[str, int | None] = field(default_factory=dict)
    """Of the combination, where they are measured."""
    privacy: Mapping[str, float] = field(default_factory=dict)
    """epsilon, delta and rounds: of the run up to here, for the client that was asked most often."""
    evaluation: Mapping[str, float] | None = None
    no_evaluation: str = ""
    """Why the server has no model to score; empty where it has one."""

    def accept(self, upload: Upload) -> None:
        self.accepted.append(replace(upload, tensors={}))

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; client metrics by partition id."""
        return {
            "round": self.t,
            "sampled": self.sampled,
            "accepted": [upload.partition for upload in self.accepted],
            "rejected": [asdict(rejected) for rejected in self.rejected],
            "skipped": self.skipped,
            "weights": self.weights,
            "train": mean_metrics(self.accepted),
            "clients": {upload.partition: upload.metrics for upload in self.accepted},
            "evaluation": self.evaluation,
            "no-evaluation": self.no_evaluation,
            "own": own_scores(self.accepted),
            "up": _dashed(_total(upload.traffic for upload in self.accepted)),
            "down": _dashed(self.down),
            "diagnostics": self.diagnostics,
            "seconds": self.seconds,
            **({} if self.peak_memory_bytes is None else {"peak-memory-bytes": self.peak_memory_bytes}),
            **({"privacy": self.privacy} if self.privacy else {}),
            **self.costs,
        }


def mean_metrics(uploads: Sequence[Upload]) -> Metrics:
    """Each training metric averaged over the clients by their examples; examples summed, peaks maximal."""
    total = sum(upload.num_examples for upload in uploads)
    result: Metrics = {}
    shared = [name for name in uploads[0].metrics if all(name in u.metrics for u in uploads)] if uploads else []
    for name in shared:
        values = [upload.metrics[name] for upload in uploads]
        if name == EXAMPLES:
            result[name] = sum(values)
        elif name.startswith("peak-"):
            result[name] = max(values)
        elif name != PARTITION and not name.startswith(OWN):
            result[name] = sum(u.num_examples * v for u, v in zip(uploads, values, strict=True)) / total
    return result


def own_scores(uploads: Sequence[Upload]) -> dict[str, dict[str, float]]:
    """The scores that clients gave to their own models as they received them, that is as of the round before.

    "mean" counts every client alike, "weighted" by the rows that it scored; empty where nobody scored.
    """
    scored = [upload.metrics for upload in uploads if f"{OWN}examples" in upload.metrics]
    if not scored:
        return {}
    rows = [metrics[f"{OWN}examples"] for metrics in scored]
    scores = {
        name.removeprefix(OWN): [metrics[name] for metrics in scored]
        for name in scored[0]
        if name.startswith(OWN) and name != f"{OWN}examples" and all(name in metrics for metrics in scored)
    }
    return {
        "mean": {name: float(np.average(values)) for name, values in scores.items()},
        "weighted": {name: float(np.average(values, weights=rows)) for name, values in scores.items()},
    }


def _total(traffic: Iterable[Traffic]) -> Traffic:
    return sum(traffic, Traffic())


def _dashed(traffic: Traffic) -> dict[str, int]:
    return {name.replace("_", "-"): value for name, value in asdict(traffic).items()}
