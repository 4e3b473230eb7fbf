"""States <-> records of coded arrays: the same functions for client and server, up and down."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from flwr.app import Array, ArrayRecord

from strategies.exchange.array_reader import LONGEST_HEADER, Malformed, read_array, unusable_numbers
from strategies.exchange.codecs.codec import Codec, malformed_codes
from strategies.exchange.codecs.table import FLOAT32
from strategies.exchange.wire import float32_array, other_keys
from strategies.rng import generator
from strategies.state import Shapes, State

Coding = Mapping[str, Codec]
"""By wire key; what is not in it travels as float32."""


@dataclass(frozen=True)
class RoundingStream:
    """From which draws the numbers of one message are rounded: each of its tensors has a stream of its own."""

    seed: int
    """That of the run."""
    t: int
    """The round."""
    sender: int | str
    """The partition of a client; "server"."""

    def of(self, key: str) -> np.random.Generator:
        """Return the generator for the tensor of this key "group/symbol"."""
        return generator(self.seed, "codec", self.t, self.sender, key)


def encode_state(state: State, shapes: Shapes, codec: Codec, stream: RoundingStream) -> tuple[ArrayRecord, State]:
    """Encode tensors, as float32, with one codec; `shapes` are those that the receiver expects, in their order.

    Returns:
        The arrays by key, and the tensors that whoever receives them decodes, to the bit.
    """
    arrays: dict[str, Array] = {}
    decoded: dict[str, torch.Tensor] = {}
    flat = state.flat
    for key, layout in shapes.items():
        values = float32_array(flat[key], layout)
        codes = np.ascontiguousarray(codec.encode(values, layout, stream.of(key)))
        back = codec.decode(codes, layout)
        arrays[key] = Array(codes)
        # Numbers that are not finite have no code; whoever receives them rejects them, and nobody reads what is here.
        decoded[key] = torch.full(values.shape, torch.nan) if isinstance(back, str) else torch.from_numpy(back)
    return ArrayRecord(arrays), State.from_flat(decoded)


def decode_record(record: ArrayRecord, shapes: Shapes, coding: Coding) -> State | Malformed:
    """Read the tensors of a message, believing nothing that it claims.

    Args:
        record: the arrays as they came.
        shapes: the wire keys that must be there, no other, and the shape of each tensor.
        coding: how each travels.

    Returns:
        The state; or, as `Malformed`, the first thing that is wrong: names, then of each array dtype, order, shape,
        bytes, codes and values. No tensor is made before the bytes that are there are as many as its codes have.
    """
    if wrong := other_keys(record, shapes):
        return wrong
    flat: dict[str, torch.Tensor] = {}
    for key, shape in shapes.items():
        codec = coding.get(key, FLOAT32)
        array = read_array(record[key].data, key, codec.wire_shape(shape), codec.dtype)
        if isinstance(array, Malformed):
            return array
        values = codec.decode(array, shape)
        if isinstance(values, str):
            return malformed_codes(key, codec, values)
        if bad := unusable_numbers(values, key):
            return bad
        flat[key] = torch.from_numpy(values)
    return State.from_flat(flat)


def longest_record(sizes: Iterable[tuple[int, ...]], payload_bytes: Callable[[tuple[int, ...]], int]) -> int:
    """Return how many bytes the arrays of a message with tensors of these sizes have at most."""
    return sum(payload_bytes(size) + LONGEST_HEADER for size in sizes)
