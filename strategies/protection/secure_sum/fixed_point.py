"""Numbers as integers modulo 2^64, in which weighted sums are exact and masks cancel to the last bit."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WORD_DTYPE = np.dtype("<u8")
"""Of what is summed and sent: little-endian on every machine."""

WordVector = NDArray[np.uint64]

SUM_BITS = 62
"""A sum of honest clients is below 2^62 in absolute value, so that no sum that should be negative looks positive."""


class RangeError(ValueError):
    """A number or a weight that the agreed fixed point does not hold."""


@dataclass(frozen=True)
class FixedPoint:
    """Multiples of 2^-f, |x| <= max_number, weights 1 .. max_weight, sums of up to num_clients clients.

    f = 62 - ceil(log2(num_clients max_weight max_number)), so that no sum overflows. A float32 x with |x| >= 2^(23 - f)
    is represented exactly, any other with an error of at most 2^-(f + 1). The same bounds hold for the weighted mean:
    multiplying by whole weights and adding are exact.
    """

    num_clients: int
    max_number: float
    max_weight: int = 1

    @property
    def fraction_bits(self) -> int:
        """f, the number of bits behind the point."""
        mantissa, exponent = math.frexp(self.num_clients * self.max_weight * self.max_number)
        return SUM_BITS - (exponent - 1 if mantissa == 0.5 else exponent)

    @property
    def step(self) -> float:
        """2^-f, the distance of neighbouring numbers."""
        return 2.0**-self.fraction_bits

    def encode(self, values: NDArray[np.float32], weight: int) -> WordVector:
        """Return weight round(2^f x) modulo 2^64, one word a number. Raises RangeError."""
        self.check_weight(weight)
        if not np.isfinite(values).all():
            raise RangeError("NaN or infinite numbers; the training diverged")
        # No word of how large: what a client says of why it refuses is not hidden by any mask.
        if values.size and float(np.abs(values).max()) > self.max_number:
            raise RangeError(f"numbers beyond privacy.max-number = {self.max_number:g}; raise it, or train more gently")
        # float64 holds the product of a float32 with a power of two exactly, and all whole numbers that come out of it.
        whole = np.rint(np.ldexp(values.astype(np.float64), self.fraction_bits)).astype(np.int64)
        return (whole * np.int64(weight)).view(np.uint64).astype(WORD_DTYPE, copy=False)

    def check_weight(self, weight: int) -> None:
        """Raise RangeError unless 1 <= weight <= max_weight."""
        if not 1 <= weight <= self.max_weight:
            raise RangeError(
                f"a weight outside 1 .. {self.max_weight}; raise privacy.max-examples, or set strategy.weighting = "
                '"uniform"'
            )

    def decode_mean(self, total: WordVector, weight: int) -> NDArray[np.float64]:
        """Return the weighted mean of what was encoded, from the sum of the words and the sum of the weights."""
        return np.ldexp(total.view(np.int64).astype(np.float64), -self.fraction_bits) / weight
