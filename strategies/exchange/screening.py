"""Which replies of a round are used. A bad reply is a value with a reason, never an exception."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from flwr.app import ArrayRecord, Message

from strategies.exchange.traffic import Traffic, measure_traffic
from strategies.exchange.wire import ARRAYS, CONFIG, EXAMPLES, METRICS, PARTITION, RANK, ROUND, Malformed, unpack
from strategies.state import Shapes, State

Metrics = dict[str, int | float]


@dataclass(frozen=True)
class Asked:
    """What a train message asked for."""

    partition: int
    rank: int


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


Reader = Callable[[ArrayRecord, Shapes], State | Malformed]
"""Reads the arrays of an upload, once all about them is as the shapes say."""


def validate_reply(
    reply: Message, asked: Asked | None, t: int, shapes: Callable[[int], Shapes], read: Reader = unpack
) -> Upload | Rejected:
    """Check a reply to round t's message; `asked` is None where it answers none.

    `shapes` gives the wire keys and shapes of an upload of a rank.
    """
    partition = None if asked is None else asked.partition
    if reply.has_error():
        return Rejected(partition, f"error {reply.error.code}: {reply.error.reason}")
    if asked is None or partition is None:
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
    rank = metrics.get(RANK)
    if not isinstance(rank, int) or not min(1, asked.rank) <= rank <= asked.rank:
        return Rejected(partition, f"{RANK} = {rank}, expected a whole number up to {asked.rank}, its rank till now")
    record = content.array_records[ARRAYS]
    tensors = read(record, shapes(rank))
    if isinstance(tensors, Malformed):
        return Rejected(partition, tensors.reason)
    scalars = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
    return Upload(partition, rank, tensors, examples, scalars, measure_traffic(record))
