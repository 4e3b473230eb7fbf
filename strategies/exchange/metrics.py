"""The metrics of a client's reply: which there are, of what type and range, and what a round makes of them."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from strategies.exchange.foreign_text import shown_names, shown_value
from strategies.exchange.wire import EXAMPLES, OWN, PARTITION, RANK
from strategies.flops import FLOPS

Metrics = dict[str, int | float]

OWN_ROWS = f"{OWN}examples"
"""On how many rows a client scored the model that it received."""

REST_NORM = "rest-norm"
"""The norm of what a coded upload could not carry, of all its tensors together."""

MOST_EXAMPLES = 10**9
"""Training rows of a client that does not say at the start how many it has."""

MOST_METRICS = 64
"""Metrics of one reply."""

_LARGEST_NUMBER, _LARGEST_COUNT = 1e30, 2**63 - 1
_OWN_NAME = re.compile(rf"{OWN}[a-z0-9][a-z0-9.-]{{0,39}}", re.IGNORECASE)


class MetricKind(StrEnum):
    """What a round's record makes of one metric of all clients."""

    MEAN = "mean"  # weighted by the clients' numbers of examples
    SUM = "sum"
    MAXIMUM = "maximum"
    APART = "apart"  # of the client alone, which is in the record as it came
    OWN = "own"  # a score that the client gave to the model it received, see `own_scores`


@dataclass(frozen=True)
class MetricSpec:
    """One metric: what becomes of it, and which values it may have, ends included."""

    kind: MetricKind = MetricKind.MEAN
    whole: bool = False
    least: float = -_LARGEST_NUMBER
    most: float = _LARGEST_NUMBER
    """Of a whole number never more than 64 bits hold."""

    def accepts(self, value: object) -> bool:
        """Whether a value has the type and is within the range."""
        if type(value) is int:
            return self.least <= value <= self.most and abs(value) <= _LARGEST_COUNT
        return not self.whole and type(value) is float and self.least <= value <= self.most

    def __str__(self) -> str:
        if self.whole:
            return f"a whole number from {self.least} to {self.most}"
        return f"a number from {self.least:g} to {self.most:g}"


_COUNT = MetricSpec(whole=True, least=0, most=_LARGEST_COUNT)
_AMOUNT = MetricSpec(least=0)

METRIC_SPECS: Mapping[str, MetricSpec] = {
    PARTITION: MetricSpec(MetricKind.APART, whole=True, least=0, most=_LARGEST_COUNT),
    RANK: _COUNT,
    EXAMPLES: MetricSpec(MetricKind.SUM, whole=True, least=1, most=MOST_EXAMPLES),
    "loss-first": MetricSpec(),
    "loss": MetricSpec(),
    "loss-last": MetricSpec(),
    "steps": _COUNT,
    "tokens": _COUNT,
    "seconds": _AMOUNT,
    "load-seconds": _AMOUNT,
    "data-seconds": _AMOUNT,
    "tokens-per-second": _AMOUNT,
    "peak-memory-bytes": MetricSpec(MetricKind.MAXIMUM, whole=True, least=0, most=_LARGEST_COUNT),
    "skipped-rows": _COUNT,
    FLOPS: _COUNT,
    REST_NORM: _AMOUNT,
    OWN_ROWS: MetricSpec(MetricKind.OWN, whole=True, least=0, most=MOST_EXAMPLES),
}
"""All that a client may report, but for its scores, which are named `OWN` and the task's name for them."""

_OWN_SCORE = MetricSpec(MetricKind.OWN)
_NEEDED = (PARTITION, RANK, EXAMPLES)


def metric_spec(name: str) -> MetricSpec | None:
    """Return what is known of a metric by its name; None: it is no metric of ours."""
    return METRIC_SPECS.get(name) or (_OWN_SCORE if _OWN_NAME.fullmatch(name) else None)


def metric_kind(name: str) -> MetricKind:
    """Return what becomes of the metric of this name; of one that a policy adds, the mean."""
    return (metric_spec(name) or MetricSpec()).kind


def parse_metrics(record: Mapping[str, object], scores: bool, more: Collection[str] = ()) -> Metrics | str:
    """Read the metrics of a reply, each of its type and within its range; or say in words what is wrong with them.

    Args:
        record: what came.
        scores: whether the client was asked for scores of its own.
        more: names of further metrics that are numbers, of which the mean is taken.
    """
    if len(record) > MOST_METRICS:
        return f"it has {len(record)} metrics, expected at most {MOST_METRICS}"
    if missing := [name for name in _NEEDED if name not in record]:
        return f"metrics missing: {shown_names(missing)}"
    specs = {name: metric_spec(name) or (MetricSpec() if name in more else None) for name in record}
    if unknown := [name for name, spec in specs.items() if spec is None]:
        return f"metrics not expected: {shown_names(unknown)}"
    metrics: Metrics = {}
    for name, spec in specs.items():
        value = record[name]
        assert spec is not None
        if spec.kind is MetricKind.OWN and not scores:
            return f"{name} was not asked for"
        if not spec.accepts(value):
            return f"{name} = {shown_value(value)}, expected {spec}"
        assert isinstance(value, int | float)
        assert math.isfinite(value)
        metrics[name] = value
    return metrics


def dashed(record: Any) -> dict[str, Any]:
    """Return a dataclass's fields under the names that they have in metrics and reports: dashes for underscores."""
    return {name.replace("_", "-"): value for name, value in asdict(record).items()}
