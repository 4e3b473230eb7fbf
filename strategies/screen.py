"""Which replies of a round are used. A bad reply is a value with a reason, never an exception."""

import math
from dataclasses import dataclass

from flwr.app import Message

from strategies.ledger import Traffic, measure
from strategies.manifest import Shapes, State
from strategies.wire import ARRAYS, CONFIG, EXAMPLES, METRICS, PARTITION, ROUND, Malformed, unpack

Metrics = dict[str, int | float]


@dataclass(frozen=True)
class Upload:
    """An accepted reply."""

    partition: int
    tensors: State
    num_examples: float
    metrics: Metrics
    traffic: Traffic


@dataclass(frozen=True)
class Rejected:
    """A reply, or the lack of one, that takes no part in the round."""

    partition: int | None
    reason: str


def screen(reply: Message, partition: int | None, t: int, shapes: Shapes) -> Upload | Rejected:
    """Check the reply of the client that holds `partition` (None: nobody was asked) to round t's message."""
    if reply.has_error():
        return Rejected(partition, f"error {reply.error.code}: {reply.error.reason}")
    if partition is None:
        return Rejected(None, "a reply to no message of this round")
    content = reply.content
    records = {ARRAYS: content.array_records, METRICS: content.metric_records, CONFIG: content.config_records}
    if absent := [name for name, found in records.items() if name not in found]:
        return Rejected(partition, f"records {absent} are missing")
    metrics = dict(content.metric_records[METRICS])
    if content.config_records[CONFIG].get(ROUND) != t:
        return Rejected(partition, f"answers round {content.config_records[CONFIG].get(ROUND)}, now is round {t}")
    if metrics.get(PARTITION) != partition:
        return Rejected(partition, f"calls itself partition {metrics.get(PARTITION)}, was asked as {partition}")
    examples = metrics.get(EXAMPLES)
    if not isinstance(examples, int | float) or not math.isfinite(examples) or examples <= 0:
        return Rejected(partition, f"{EXAMPLES} = {examples}, expected a positive number")
    record = content.array_records[ARRAYS]
    tensors = unpack(record, shapes)
    if isinstance(tensors, Malformed):
        return Rejected(partition, tensors.reason)
    scalars = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
    return Upload(partition, tensors, examples, scalars, measure(record))
