"""float32, as numbers are: the wire without a codec."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from strategies.exchange.array_reader import WIRE_DTYPE
from strategies.exchange.codecs.codec import Codec
from strategies.state import Shape


@dataclass(frozen=True)
class PlainFloats(Codec):
    """Four bytes for each number, to the same bits."""

    name = "float32"
    dtype = WIRE_DTYPE
    exact = True

    def wire_shape(self, layout: Shape, size: tuple[int, ...] | None = None) -> Shape:
        """As the tensor's."""
        return layout if size is None else size

    def encode(
        self, values: Float32[np.ndarray, "..."], layout: Shape, rng: np.random.Generator
    ) -> Float32[np.ndarray, "..."]:
        """The numbers as they are; nothing is drawn."""
        return values

    def decode(self, array: Float32[np.ndarray, "..."], layout: Shape) -> Float32[np.ndarray, "..."] | str:
        """The numbers as they are."""
        return array
