"""top-k: the largest numbers of a tensor and where they are; the others count as zero."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, prod

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from strategies.exchange.codecs.codec import Codec
from strategies.state import Shape

_VALUE_DTYPE = np.dtype("<f4")


@dataclass(frozen=True)
class LargestNumbers(Codec):
    """C(x) has the k = ceil(share d) numbers of x of the largest magnitude, of equal ones the first; nothing is drawn.

    ||x - C(x)||^2 <= (1 - k/d) ||x||^2. On the wire: k values, float32, in the order of their places in the flattened
    tensor, then k places, of 2 bytes where d <= 2^16, else of 4.
    """

    name = "top-k"
    dtype = np.dtype("|u1")
    unbiased = False
    share: float
    """In (0, 1]."""

    def kept(self, shape: tuple[int, ...]) -> int:
        """Return k; the share counts as the decimal number that was written."""
        return ceil(Fraction(repr(self.share)) * prod(shape))

    def wire_shape(self, layout: Shape, size: tuple[int, ...] | None = None) -> Shape:
        """(k times the bytes of a value and a place,)."""
        size = _known(layout)
        return (self.kept(size) * (_VALUE_DTYPE.itemsize + _place_dtype(size).itemsize),)

    def encode(
        self, values: Float32[np.ndarray, "..."], layout: Shape, rng: np.random.Generator
    ) -> UInt8[np.ndarray, " b"]:
        """The largest values and their places; what is not finite counts as the largest."""
        flat = values.ravel()
        places = _largest(np.where(np.isfinite(flat), np.abs(flat), np.inf), self.kept(values.shape))
        parts = flat[places].astype(_VALUE_DTYPE), places.astype(_place_dtype(values.shape))
        return np.concatenate([part.view(np.uint8) for part in parts])

    def decode(self, array: UInt8[np.ndarray, " b"], layout: Shape) -> Float32[np.ndarray, "..."] | str:
        """The tensor with zeros elsewhere, or what is wrong with a place."""
        size = _known(layout)
        split = self.kept(size) * _VALUE_DTYPE.itemsize
        values, places = array[:split].view(_VALUE_DTYPE), array[split:].view(_place_dtype(size)).astype(np.int64)
        if (places >= prod(size)).any():
            return f"place {places.max()} is beyond its {prod(size)} numbers"
        if (np.diff(places) <= 0).any():
            return "its places do not ascend, or one is there twice"
        flat = np.zeros(prod(size), np.float32)
        flat[places] = values
        return flat.reshape(size)


def _known(shape: Shape) -> tuple[int, ...]:
    assert None not in shape, f"top-k needs the size of {shape}"
    return tuple(size or 0 for size in shape)


def _place_dtype(shape: tuple[int, ...]) -> np.dtype:
    return np.dtype("<u2") if prod(shape) <= 1 << 16 else np.dtype("<u4")


def _largest(magnitudes: Float32[np.ndarray, " d"], k: int) -> Int64[np.ndarray, " k"]:
    """The places, ascending, of the k largest; of equal ones the first. Needs no sorting of all."""
    if k == 0:
        return np.zeros(0, np.int64)
    least = np.partition(magnitudes, -k)[-k]
    above: Bool[np.ndarray, " d"] = magnitudes > least
    equal = np.flatnonzero(magnitudes == least)[: k - int(above.sum())]
    return np.sort(np.concatenate([np.flatnonzero(above), equal]))
