"""The metrics of a client's reply: how those of a round's clients become one number each, declared by name."""

from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import Any

from strategies.exchange.wire import EXAMPLES, OWN, PARTITION


class MetricKind(StrEnum):
    """What a round's record makes of one metric of all clients."""

    MEAN = "mean"  # weighted by the clients' numbers of examples
    SUM = "sum"
    MAXIMUM = "maximum"
    APART = "apart"  # of the client alone, which is in the record as it came
    OWN = "own"  # a score that the client gave to the model it received, see `own_scores`


OWN_ROWS = f"{OWN}examples"
"""On how many rows a client scored the model that it received."""

METRIC_KINDS: Mapping[str, MetricKind] = {
    PARTITION: MetricKind.APART,
    EXAMPLES: MetricKind.SUM,
    "peak-memory-bytes": MetricKind.MAXIMUM,
}
"""Of what is no mean. Scores by clients are named by what they score: `OWN` and the task's name for it."""


def metric_kind(name: str) -> MetricKind:
    """Return what becomes of the metric of this name."""
    return MetricKind.OWN if name.startswith(OWN) else METRIC_KINDS.get(name, MetricKind.MEAN)


def dashed(record: Any) -> dict[str, Any]:
    """Return a dataclass's fields under the names that they have in metrics and reports: dashes for underscores."""
    return {name.replace("_", "-"): value for name, value in asdict(record).items()}
