"""What a node says of itself and of its rows before it is asked to train: read once, with the same care as a reply."""

from collections.abc import Mapping
from dataclasses import dataclass

from flwr.app import ConfigRecord, Message, MessageType, MetricRecord, RecordDict

from strategies.exchange.foreign_text import LONGEST_NAME, safe_text, shown_value
from strategies.exchange.metrics import MOST_EXAMPLES
from strategies.exchange.wire import CONFIG, EXAMPLES, METRICS, PARTITION

PARTITIONS, PRIVATE = "num-partitions", "private-data"
NODE, NAME, PLACE, REFUSAL = "node", "client-name", "data-place", "refusal"

ASK, WHO, ROWS = "ask", "partition-id", "rows"
"""Key of a question, and the two that there are: who are you, and can your rows be used."""

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
    name: str = ""
    """What its files are called; empty where it does not say."""
    place: str = ""
    """A digest of where its own rows are, the same for two nodes only if they read the same files; else empty."""

    def content(self) -> RecordDict:
        """Write the answer."""
        known = {PARTITION: self.partition, PARTITIONS: self.partitions, EXAMPLES: self.rows}
        numbers = {key: value for key, value in known.items() if value is not None}
        words = ConfigRecord({NAME: self.name, PLACE: self.place})
        return RecordDict({METRICS: MetricRecord({**numbers, PRIVATE: int(self.private)}), NODE: words})


def refusal_content(reason: str) -> RecordDict:
    """Write the answer of a node whose configuration, or whose rows, cannot be used; no reason: they can."""
    return RecordDict({NODE: ConfigRecord({REFUSAL: reason})})


def parse_refusal(content: object) -> str:
    """Read why a node or its rows cannot be used, safe to be shown; empty where it says nothing of it."""
    reason = _words(content).get(REFUSAL)
    return safe_text(reason) if isinstance(reason, str) else ""


def question(ask: str, node: int) -> Message:
    """Ask one node, WHO or ROWS."""
    return Message(RecordDict({CONFIG: ConfigRecord({ASK: ask})}), node, MessageType.QUERY)


def question_of(message: Message) -> str:
    """Read which of the questions a message asks."""
    return str(message.content.config_records.get(CONFIG, {}).get(ASK, WHO))


def parse_hello(content: object) -> Hello | str:
    """Read an answer; or say, in words, why it is none."""
    if reason := parse_refusal(content):
        return reason
    record = content.metric_records.get(METRICS) if isinstance(content, RecordDict) else None
    if not isinstance(record, MetricRecord):
        return "its answer has no metrics"
    if problem := _out_of_range(record):
        return problem
    values = {name: record[name] for name in (PARTITION, PARTITIONS, PRIVATE, EXAMPLES) if name in record}
    numbers = {name: value for name, value in values.items() if isinstance(value, int)}
    private, (name, place) = bool(numbers.get(PRIVATE, 0)), (_word(content, key) for key in (NAME, PLACE))
    return Hello(numbers[PARTITION], numbers.get(PARTITIONS), private, numbers.get(EXAMPLES), name, place)


def _words(content: object) -> Mapping[str, object]:
    record = content.config_records.get(NODE) if isinstance(content, RecordDict) else None
    return record if isinstance(record, ConfigRecord) else {}


def _word(content: object, key: str) -> str:
    value = _words(content).get(key)
    return safe_text(value, LONGEST_NAME) if isinstance(value, str) else ""


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
