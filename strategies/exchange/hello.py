"""What a node says of itself before it is asked to train: read once, with the same care as a reply."""

from collections.abc import Mapping
from dataclasses import dataclass

from flwr.app import MetricRecord, RecordDict

from strategies.exchange.foreign_text import shown_value
from strategies.exchange.metrics import MOST_EXAMPLES
from strategies.exchange.wire import EXAMPLES, METRICS, PARTITION

PARTITIONS, PRIVATE = "num-partitions", "private-data"

MOST_PARTITIONS = 10**6
"""Clients of a federation."""

MOST_HELLO_BYTES = 2**16
"""That the arrays of an answer may have; it needs none."""


@dataclass(frozen=True)
class Hello:
    """One node's answer."""

    partition: int
    partitions: int | None = None
    """Among how many clients it takes the rows to be divided; None where it does not say."""
    private: bool = False
    """Whether its rows are its own, and not a part of the task's."""
    rows: int | None = None
    """How many training rows it has; None where it does not say. No upload of it may then claim more."""


def parse_hello(content: object) -> Hello | str:
    """Read an answer; or say, in words, why it is none."""
    record = content.metric_records.get(METRICS) if isinstance(content, RecordDict) else None
    if not isinstance(record, MetricRecord):
        return "its answer has no metrics"
    if problem := _out_of_range(record):
        return problem
    values = {name: record[name] for name in (PARTITION, PARTITIONS, PRIVATE, EXAMPLES) if name in record}
    numbers = {name: value for name, value in values.items() if isinstance(value, int)}
    return Hello(numbers[PARTITION], numbers.get(PARTITIONS), bool(numbers.get(PRIVATE, 0)), numbers.get(EXAMPLES))


def _out_of_range(record: Mapping[str, object]) -> str:
    """Which value is none that a node may have; empty where all are."""
    if not _is_whole(record.get(PARTITION), 0, MOST_PARTITIONS - 1):
        return f"it calls itself partition {shown_value(record.get(PARTITION))}"
    for name, least, most in ((PARTITIONS, 1, MOST_PARTITIONS), (PRIVATE, 0, 1), (EXAMPLES, 1, MOST_EXAMPLES)):
        if name in record and not _is_whole(record[name], least, most):
            return f"{name} = {shown_value(record[name])}, expected a whole number from {least} to {most}"
    return ""


def _is_whole(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most
