"""Tensors <-> ArrayRecord, and what makes a message's arrays acceptable."""

from collections.abc import Collection, Mapping

import numpy as np
import torch
from flwr.app import DEFAULT_TTL, Array, ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from jaxtyping import Float, Float32

from strategies.exchange.array_reader import WIRE_DTYPE, Malformed, read_array
from strategies.exchange.foreign_text import LONGEST_NAME, safe_text, shown_names, shown_value
from strategies.state import Shape, Shapes, State, fits

ARRAYS, CONFIG, METRICS = "arrays", "config", "metrics"
ROUND, PARTITION, EXAMPLES = "round", "partition-id", "num-examples"
RANK = "rank"
"""Of the factors in a message: down in its config, up among its metrics."""
OWN = "own-"
"""Prefix of client-side evaluation metrics: the client evaluates the received global tensors together with its LOCAL
tensors, on "own-examples" rows."""
RUN = "run"
"""Key of the name that a run keeps when it is resumed, so that clients know their memories of it from older ones."""

ADVICE: Mapping[str, str] = {
    "source": "the code differs: install the same version on every node, and stop a stale local SuperLink",
    "manifest": "the adapted layers, their shapes, rank, scale or seed differ: the same model and settings everywhere?",
    "backbone": "the frozen weights differ: the same model, revision, dtype and adapter.start-from everywhere?",
    "tokens": "the tokenizer, its chat template or task.template-date differ: the same model and settings everywhere?",
    "classes": "the classes of the task differ: name all of them in task.labels, or give all nodes the same files",
    "bases": "the fixed matrices differ although the seed agrees: a basis of another kind, or another library version",
    "start": "the adapter of adapter.start-from differs: copy the server's folder to every node that has one there",
}
"""The identity that both sides must share, and what to do where they do not."""


class RefusalError(ValueError):
    """A client's refusal to work on a message; its text reaches the server as the reason."""


def pack(state: State, shapes: Shapes) -> ArrayRecord:
    """Encode tensors for a message.

    Args:
        state: has at least the tensors that `shapes` names, on any device and of any floating type.
        shapes: wire keys in the order of the message, and the shape of each.

    Returns:
        One float32 array per key.
    """
    flat = state.flat
    return ArrayRecord({key: Array(float32_array(flat[key], shape)) for key, shape in shapes.items()})


def float32_array(tensor: Float[torch.Tensor, "*s"], shape: Shape) -> Float32[np.ndarray, "*s"]:
    """Return the numbers of a tensor, on any device and of any floating type, whose shape is the one given."""
    assert fits(tensor.shape, shape), f"{tuple(tensor.shape)} is not {shape}"
    return np.ascontiguousarray(tensor.detach().to("cpu", torch.float32).numpy())


def unpack(record: ArrayRecord, shapes: Shapes, dtype: np.dtype = WIRE_DTYPE) -> State | Malformed:
    """Read the tensors of a message, believing nothing that it claims.

    Args:
        record: the arrays as they came.
        shapes: the wire keys that must be there, no other, and the shape of each.
        dtype: what each array must be of, in little-endian C order.

    Returns:
        The state; or, as `Malformed`, the first thing that is wrong: names, then of each array dtype, order, shape,
        bytes and values.
    """
    if wrong := other_keys(record, shapes):
        return wrong
    flat: dict[str, torch.Tensor] = {}
    for key, shape in shapes.items():
        array = read_array(record[key].data, key, shape, dtype)
        if isinstance(array, Malformed):
            return array
        flat[key] = torch.from_numpy(array)
    return State.from_flat(flat)


def other_keys(record: ArrayRecord, expected: Collection[str]) -> Malformed | None:
    """Say which arrays are missing or too many; None where the keys are those expected."""
    missing, extra = set(expected) - record.keys(), record.keys() - set(expected)
    if not missing and not extra:
        return None
    lacks, has = shown_names(sorted(missing)), shown_names(sorted(extra))
    return Malformed(f"arrays missing [{lacks}], not expected [{has}]; other strategy or model?")


def train_message(content: RecordDict, node: int, t: int, seconds: float) -> Message:
    """Make a message of round t that, with its reply, outlives the round.

    Args:
        content: the records that the client gets.
        node: Flower's id of the node it goes to.
        t: the round, from 1.
        seconds: how long the round waits; Flower drops what is older than 12 hours where nothing else is said.
    """
    return Message(content, node, MessageType.TRAIN, ttl=max(DEFAULT_TTL, seconds), group_id=str(t))


def upload(arrays: ArrayRecord, t: int, metrics: Mapping[str, int | float]) -> RecordDict:
    """Make the content of a client's reply.

    Args:
        arrays: what `pack` made of its upload.
        t: the round that it answers, from 1.
        metrics: at least num-examples, partition-id and rank; see `strategies.exchange.metrics`.
    """
    config = ConfigRecord({ROUND: t})
    return RecordDict({ARRAYS: arrays, CONFIG: config, METRICS: MetricRecord(dict(metrics))})


def check_identity(config: Mapping[str, object], own: Mapping[str, str]) -> None:
    """Check that the sender of a message has the same run in mind.

    Args:
        config: what came with the message.
        own: the parts of this side's identity, see `ADVICE`.

    Raises:
        RefusalError: naming the first part that differs, both values and what to do.
    """
    for part, value in own.items():
        if config.get(part) != value:
            theirs = config.get(part)
            named = safe_text(theirs, LONGEST_NAME) if isinstance(theirs, str) else shown_value(theirs)
            raise RefusalError(f"{part} is {value} here and {named} on the server; {ADVICE[part]}")
