"""What a codec is: two pure functions between the numbers of a tensor and an array of bytes of a known size."""

from abc import ABC, abstractmethod
from math import prod
from typing import ClassVar

import numpy as np
from jaxtyping import Float32, Shaped

from strategies.exchange.array_reader import Malformed
from strategies.state import Shape


class Codec(ABC):
    """Subclasses are frozen dataclasses. What they draw comes from the generator that they are given, and from nothing
    else, so that the same generator gives the same bytes everywhere.
    """

    name: ClassVar[str]
    """The value of `wire.upload` and `wire.broadcast`."""
    dtype: ClassVar[np.dtype]
    """Of the array on the wire, little-endian."""
    exact: ClassVar[bool] = False
    """Whether what is decoded is what was encoded, bit for bit."""
    unbiased: ClassVar[bool] = True
    """Whether what is decoded is on average what was encoded."""

    @abstractmethod
    def wire_shape(self, layout: Shape, size: tuple[int, ...] | None = None) -> Shape:
        """Return the shape of the array that a tensor becomes.

        Args:
            layout: the shape that both sides expect, with None for a size that may change from round to round.
            size: the tensor's; without it a None of the layout is a None of the array's shape.
        """

    @abstractmethod
    def encode(
        self, values: Float32[np.ndarray, "..."], layout: Shape, rng: np.random.Generator
    ) -> Shaped[np.ndarray, "..."]:
        """Return the array, of `dtype` and `wire_shape`; of numbers that are not finite one that cannot be decoded."""

    @abstractmethod
    def decode(self, array: Shaped[np.ndarray, "..."], layout: Shape) -> Float32[np.ndarray, "..."] | str:
        """Return the numbers of an array of `dtype` and `wire_shape`; or say, in words, why they cannot be used.

        Costs what a tensor of that size costs, whatever the array holds.
        """

    def payload_bytes(self, size: tuple[int, ...], layout: Shape | None = None) -> int:
        """Return how many bytes a tensor has on the wire; its layout is its size where none is given."""
        return prod(s or 0 for s in self.wire_shape(layout or size, size)) * self.dtype.itemsize


def malformed_codes(key: str, codec: Codec, reason: str) -> Malformed:
    """Name the tensor and the codec of codes that cannot be used."""
    return Malformed(f"'{key}' cannot be decoded as {codec.name}: {reason}")
