"""What one round did, as plain data for the report."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from strategies.exchange.metrics import OWN_ROWS, MetricKind, dashed, metric_kind
from strategies.exchange.screening import Metrics, Rejected, Upload
from strategies.exchange.traffic import Traffic
from strategies.exchange.wire import OWN
from strategies.state import State


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
    """Raw, by partition id, in the order in which uploads were combined; of a secure sum none is known."""
    lowered: dict[int, dict[str, float]] = field(default_factory=dict)
    """By partition id: the share of the round's weight that a client would have had ("of") and has ("to")."""
    down: Traffic = field(default_factory=Traffic)
    beside_uploads: Traffic = field(default_factory=Traffic)
    """Up, without the uploads."""
    diagnostics: dict[str, dict[str, float]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_bytes: int | None = None
    """The most that the server's process has held so far, on its device; None where nobody looked."""
    costs: dict[str, int | None] = field(default_factory=dict)
    """Of the combination, where they are measured."""
    privacy: Mapping[str, float] = field(default_factory=dict)
    """epsilon, delta and rounds: of the run up to here, for the client that was asked most often."""
    remarks: list[str] = field(default_factory=list)
    """Sentences for the log on what the round's step lost, each said once in a run."""
    start_distance: float | None = None
    """||dW - D||_F / ||D||_F where round 1 begins from an adapter's update D; None where it does not."""
    secure_sum: Mapping[str, int | None] = field(default_factory=dict)
    """How many clients did each step, where there is one."""
    evaluation: Mapping[str, float] | None = None
    no_evaluation: str = ""
    """Why the server has no model to score; empty where it has one."""

    def accept(self, upload: Upload) -> None:
        self.accepted.append(replace(upload, tensors=State()))

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; client metrics by partition id."""
        return {
            "round": self.t,
            "sampled": self.sampled,
            "accepted": [upload.partition for upload in self.accepted],
            "rejected": [asdict(rejected) for rejected in sorted(self.rejected, key=_place)],
            "skipped": self.skipped,
            "weights": self.weights,
            **({"lowered-weights": self.lowered} if self.lowered else {}),
            "train": mean_metrics(self.accepted),
            "clients": {upload.partition: upload.metrics for upload in self.accepted},
            "evaluation": self.evaluation,
            "no-evaluation": self.no_evaluation,
            "own": own_scores(self.accepted),
            "up": dashed(sum((upload.traffic for upload in self.accepted), self.beside_uploads)),
            "down": dashed(self.down),
            "diagnostics": self.diagnostics,
            "seconds": self.seconds,
            **({} if self.peak_memory_bytes is None else {"peak-memory-bytes": self.peak_memory_bytes}),
            **({"privacy": self.privacy} if self.privacy else {}),
            **({} if self.start_distance is None else {"start-distance": self.start_distance}),
            **({"secure-sum": self.secure_sum} if self.secure_sum else {}),
            **self.costs,
        }


def mean_metrics(uploads: Sequence[Upload]) -> Metrics:
    """Combine each metric that all clients have, as `metric_kind` says of its name; means are by examples."""
    total = sum(upload.num_examples for upload in uploads)
    result: Metrics = {}
    shared = [name for name in uploads[0].metrics if all(name in u.metrics for u in uploads)] if uploads else []
    for name in shared:
        values = [upload.metrics[name] for upload in uploads]
        match metric_kind(name):
            case MetricKind.SUM:
                result[name] = sum(values)
            case MetricKind.MAXIMUM:
                result[name] = max(values)
            case MetricKind.MEAN:
                result[name] = sum(u.num_examples * v for u, v in zip(uploads, values, strict=True)) / total
            case MetricKind.APART | MetricKind.OWN:
                pass
    return result


def own_scores(uploads: Sequence[Upload]) -> dict[str, dict[str, float]]:
    """Combine the scores that clients gave to their own models as they received them, that is as of the round before.

    "mean" counts every client alike, "weighted" by the rows that it scored; empty where nobody scored. A client that
    had no rows for it has no score.
    """
    scored = [_own(upload.metrics) for upload in uploads if upload.metrics.get(OWN_ROWS)]
    if not scored:
        return {}
    rows = [metrics[OWN_ROWS] for metrics in scored]
    shared = [name for name in scored[0] if name != OWN_ROWS and all(name in metrics for metrics in scored)]
    scores = {name.removeprefix(OWN): [metrics[name] for metrics in scored] for name in shared}
    return {
        "mean": {name: float(np.average(values)) for name, values in scores.items()},
        "weighted": {name: float(np.average(values, weights=rows)) for name, values in scores.items()},
    }


def _own(metrics: Metrics) -> Metrics:
    return {name: value for name, value in metrics.items() if metric_kind(name) is MetricKind.OWN}


def _place(rejected: Rejected) -> tuple[bool, int]:
    """By partition, whoever answered first; replies of nobody asked come last."""
    return rejected.partition is None, rejected.partition or 0
