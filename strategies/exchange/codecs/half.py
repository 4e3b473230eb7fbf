"""bfloat16: the upper half of a float32."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt16

from strategies.exchange.codecs.codec import Codec
from strategies.exchange.codecs.rounding import from_bfloat16, stochastic_bfloat16
from strategies.state import Shape


@dataclass(frozen=True)
class HalfFloats(Codec):
    """Two bytes for each number: its sign, its exponent and 7 bits of its significand, rounded stochastically.

    The error of a number is below 1/128 of itself. Rounded to the nearest, a state of order 1 would lose every change
    below 1/256; on average nothing is lost.
    """

    name = "bfloat16"
    dtype = np.dtype("<u2")

    def wire_shape(self, layout: Shape, size: tuple[int, ...] | None = None) -> Shape:
        """As the tensor's."""
        return layout if size is None else size

    def encode(
        self, values: Float32[np.ndarray, "..."], layout: Shape, rng: np.random.Generator
    ) -> UInt16[np.ndarray, "..."]:
        """The upper 16 bits of each number."""
        return stochastic_bfloat16(values, rng)

    def decode(self, array: UInt16[np.ndarray, "..."], layout: Shape) -> Float32[np.ndarray, "..."] | str:
        """The numbers with 16 zeros for the bits that they lost."""
        return from_bfloat16(array)
