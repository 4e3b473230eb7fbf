"""Which replies of a round are used. A bad reply is a value with a reason, never an exception."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from flwr.app import ArrayRecord, Message, RecordDict

from strategies.exchange.array_reader import Malformed
from strategies.exchange.foreign_text import safe_text, shown_names, shown_value
from strategies.exchange.metrics import Metrics, parse_metrics
from strategies.exchange.traffic import Traffic, measure_traffic
from strategies.exchange.wire import ARRAYS, CONFIG, EXAMPLES, METRICS, PARTITION, RANK, ROUND, unpack
from strategies.state import Shapes, State

_RECORDS = (ARRAYS, METRICS, CONFIG)


@dataclass(frozen=True)
class Asked:
    """What a train message asked for, and what its answer may say."""

    partition: int
    rank: int
    scores: bool = False
    """Whether the client is to score the model that it received."""
    rows: int | None = None
    """How many training rows the client said at the start that it has; None where it said nothing."""
    more_metrics: Collection[str] = ()
    """Names of metrics beside those of `METRIC_SPECS`."""
    carries: bool = False
    """Whether the message has the tensors that travel once to each client."""


@dataclass(frozen=True)
class Upload:
    """An accepted reply."""

    partition: int
    rank: int
    """That of the tensors: the rank asked for, or a lower one that the client has come down to."""
    tensors: State
    num_examples: float
    metrics: Metrics
    traffic: Traffic


@dataclass(frozen=True)
class Rejected:
    """A reply, or the lack of one, that takes no part in the round."""

    partition: int | None
    reason: str
    """One line of visible characters."""


ArraysReader = Callable[[ArrayRecord, Shapes, int], State | Malformed]
"""(arrays, what they must be, the rank of the upload) -> its tensors, once all about them is as the shapes say."""


def read_plain(record: ArrayRecord, shapes: Shapes, rank: int) -> State | Malformed:
    """Read the arrays of an upload that travels as it is; the rank is in the shapes."""
    return unpack(record, shapes)


def validate_reply(
    reply: Message, asked: Asked | None, t: int, shapes: Callable[[int], Shapes], read: ArraysReader = read_plain
) -> Upload | Rejected:
    """Check a reply. Nothing that it claims is believed: it costs no more than what its own bytes cost.

    Args:
        reply: as it came.
        asked: what was asked of its sender; None where it answers no message of the round.
        t: the round, from 1.
        shapes: gives the wire keys and shapes of an upload of a rank.
        read: reads the arrays.

    Returns:
        The upload; or who is rejected and why. Never an exception.
    """
    if reply.has_error():
        reason = f"error {shown_value(reply.error.code)}: {safe_text(str(reply.error.reason))}"
        return Rejected(None if asked is None else asked.partition, reason)
    if asked is None:
        return Rejected(None, "a reply to no message of this round")
    content = reply.content if reply.has_content() else None
    if not isinstance(content, RecordDict):  # Flower does not look at what it unpacks
        return Rejected(asked.partition, f"it carries {shown_value(content)}, expected records")
    metrics = _metrics(content, asked, t)
    if isinstance(metrics, str):
        return Rejected(asked.partition, metrics)
    record, rank = content.array_records[ARRAYS], int(metrics[RANK])
    tensors = read(record, shapes(rank), rank)
    if isinstance(tensors, Malformed):
        return Rejected(asked.partition, tensors.reason)
    return Upload(asked.partition, rank, tensors, metrics[EXAMPLES], metrics, measure_traffic(record, tensors.sizes))


def _metrics(content: RecordDict, asked: Asked, t: int) -> Metrics | str:
    """The metrics of a reply that fits the question; or, in words, why it does not."""
    if problem := _of_other_form(content):
        return problem
    config: Mapping[str, object] = content.config_records[CONFIG]
    if type(config.get(ROUND)) is not int or config[ROUND] != t:
        return f"answers round {shown_value(config.get(ROUND))}, now is round {t}"
    metrics = parse_metrics(content.metric_records[METRICS], asked.scores, asked.more_metrics)
    if isinstance(metrics, str):
        return metrics
    if metrics[PARTITION] != asked.partition:
        return f"calls itself partition {metrics[PARTITION]}, was asked as {asked.partition}"
    if asked.rows is not None and metrics[EXAMPLES] > asked.rows:
        return f"{EXAMPLES} = {metrics[EXAMPLES]}, but it said at the start that it has {asked.rows}"
    if not min(1, asked.rank) <= metrics[RANK] <= asked.rank:
        return f"{RANK} = {metrics[RANK]}, expected a whole number up to {asked.rank}, its rank till now"
    return metrics


def _of_other_form(content: RecordDict) -> str:
    """Which records are missing or too many; empty where all is as it should be."""
    there = {ARRAYS: content.array_records, METRICS: content.metric_records, CONFIG: content.config_records}
    if absent := [name for name in _RECORDS if name not in there[name]]:
        return f"records {absent} are missing"
    extra = sorted(content.keys() - set(_RECORDS))
    return f"records not expected: {shown_names(extra)}" if extra else ""
