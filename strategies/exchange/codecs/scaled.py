"""int8 and int4: whole multiples of one step for each row."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

from strategies.exchange.codecs.codec import Codec
from strategies.exchange.codecs.rounding import stochastic_integers
from strategies.exchange.codecs.rows import from_rows, rows_shape, to_rows
from strategies.state import Shape

_STEP_DTYPE = np.dtype("<f4")
_STEP_BYTES = _STEP_DTYPE.itemsize


@dataclass(frozen=True)
class ScaledIntegers(Codec):
    """Of each row a step s, float32, and of each number x a whole number m with E[m s] = x and |m s - x| < s.

    s = max |x| / largest over the row, rounded up, so that |m| <= largest. On the wire: four bytes of s, then codes
    m + largest + 1, which are 1 to 2 largest + 1; 0 is no number, but fills up the last byte of a row.
    """

    dtype = np.dtype("|u1")
    largest: ClassVar[int]
    """The largest |m|."""
    per_byte: ClassVar[int]
    """Codes in a byte, the first in its lowest bits."""

    def wire_shape(self, layout: Shape, size: tuple[int, ...] | None = None) -> Shape:
        """(..., rows, bytes of a row)."""
        *leading, width = rows_shape(layout, size)
        return (*leading, None if width is None else _STEP_BYTES + -(-width // self.per_byte))

    def encode(
        self, values: Float32[np.ndarray, "..."], layout: Shape, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "..."]:
        """Steps and codes by rows; a row with a number that is not finite has a step that is NaN."""
        rows = to_rows(values, layout).astype(np.float64)
        steps = self._steps(rows)
        usable = np.where(np.isfinite(steps) & (steps > 0), steps, 1).astype(np.float64)
        safe = np.where(np.isfinite(steps)[..., None], rows, 0)
        codes = stochastic_integers(safe / usable[..., None], rng) + self.largest + 1
        head = steps[..., None].astype(_STEP_DTYPE).view(np.uint8)
        return np.concatenate([head, self._packed(codes)], -1)

    def decode(self, array: UInt8[np.ndarray, "..."], layout: Shape) -> Float32[np.ndarray, "..."] | str:
        """m s of each number, or what is wrong with a step, a code or the filling."""
        steps = np.ascontiguousarray(array[..., :_STEP_BYTES]).view(_STEP_DTYPE)
        if not np.isfinite(steps).all() or (steps < 0).any():
            return "a row's step is negative, NaN or infinite; its training diverged"
        codes = self._unpacked(array[..., _STEP_BYTES:])
        width = rows_shape(layout)[-1]
        if width is None:
            width = codes.shape[-1] - self._filling(codes)
        numbers, filling = codes[..., :width], codes[..., width:]
        if (numbers == 0).any() or (numbers > 2 * self.largest + 1).any() or filling.any():
            return f"a code is beyond {self.largest} steps, or stands where a row has no number"
        rows = (numbers.astype(np.int64) - self.largest - 1) * steps.astype(np.float64)
        with np.errstate(over="ignore"):  # what is infinite then is found by whoever uses it
            return from_rows(rows.astype(np.float32), layout)

    def _filling(self, codes: UInt8[np.ndarray, "*n c"]) -> int:
        """How many codes fill up rows of a length that is not known: at most what fills one byte."""
        return int(self.per_byte > 1 and codes.size > 0 and not codes[..., -1].any())

    def _steps(self, rows: Float64[np.ndarray, "*n w"]) -> Float32[np.ndarray, "*n"]:
        """The smallest float32 of which `largest` reach the largest number of the row; 0 where all are 0."""
        most = np.abs(rows).max(-1, initial=0.0)
        with np.errstate(over="ignore"):
            steps = (most / self.largest).astype(np.float32)
        low = np.isfinite(steps) & (steps.astype(np.float64) * self.largest < most)
        return np.where(
            low, np.nextafter(steps, np.float32(np.inf)), np.where(np.isfinite(most), steps, np.nan)
        ).astype(np.float32)

    def _packed(self, codes: Int64[np.ndarray, "*n w"]) -> UInt8[np.ndarray, "*n b"]:
        missing = -codes.shape[-1] % self.per_byte
        filled = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, missing)]).astype(np.uint8)
        if self.per_byte == 1:
            return filled
        return filled[..., 0::2] | (filled[..., 1::2] << 4)

    def _unpacked(self, packed: UInt8[np.ndarray, "*n b"]) -> UInt8[np.ndarray, "*n c"]:
        if self.per_byte == 1:
            return packed
        return np.stack([packed & 15, packed >> 4], -1).reshape(*packed.shape[:-1], 2 * packed.shape[-1])


@dataclass(frozen=True)
class Int8(ScaledIntegers):
    """One byte for each number: 127 steps on either side of 0."""

    name = "int8"
    largest = 127
    per_byte = 1


@dataclass(frozen=True)
class Int4(ScaledIntegers):
    """Half a byte for each number: 7 steps on either side of 0."""

    name = "int4"
    largest = 7
    per_byte = 2
