"""Rounding to a coarser grid that is right on average: up with the probability that the number is on the way there.

Rounding to the nearest would lose every change below half a step, round after round, and always the same one. Here the
expectation is the number itself, so that rounding errors of many clients and rounds average out.
"""

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt16

_LOST_BITS = 16
"""Of a float32's significand, that bfloat16 does not have."""

BFLOAT16_NAN = 0x7FC0


def stochastic_integers(x: Float64[np.ndarray, "*s"], rng: np.random.Generator) -> Int64[np.ndarray, "*s"]:
    """Return floor(x) + 1 with probability x - floor(x), else floor(x): E = x. Whole numbers stay."""
    low = np.floor(x)
    return (low + (rng.random(x.shape) < x - low)).astype(np.int64)


def stochastic_bfloat16(values: Float32[np.ndarray, "*s"], rng: np.random.Generator) -> UInt16[np.ndarray, "*s"]:
    """Return the upper 16 bits of each number, rounded up in magnitude with the probability that the lower ones make.

    Within a power of two bfloat16 numbers are equally far apart, and bit patterns grow with the magnitude, so that a
    random number below 2^16 added to the pattern carries over with exactly the right probability. Numbers that are
    not finite become NaN.
    """
    draws = rng.integers(0, 1 << _LOST_BITS, values.shape, dtype=np.uint32)
    finite = np.isfinite(values)
    bits = np.where(finite, values, 0).astype(np.float32).view(np.uint32)
    return np.where(finite, (bits + draws) >> _LOST_BITS, BFLOAT16_NAN).astype(np.uint16)


def from_bfloat16(codes: UInt16[np.ndarray, "*s"]) -> Float32[np.ndarray, "*s"]:
    """Return the numbers whose upper 16 bits these are."""
    return (codes.astype(np.uint32) << _LOST_BITS).view(np.float32)
