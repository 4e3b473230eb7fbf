"""Codecs number by number, with the same draws; NumPy, loops, one tensor at a time."""

import struct
from fractions import Fraction

import numpy as np


def rows_of(x):
    """The places of a tensor, row by row: along the longer of the last two axes, or blocks of at most 256 of a vector.

    None fills up the last block.
    """
    if x.ndim == 1:
        count = max(1, -(-x.size // 256))
        width = -(-x.size // count)
        return [[(i,) if (i := b * width + j) < x.size else None for j in range(width)] for b in range(count)]
    rows = []
    for lead in np.ndindex(*x.shape[:-2]):
        p, q = x.shape[-2:]
        if x.ndim >= 3 and p > q:
            rows += [[(*lead, i, j) for i in range(p)] for j in range(q)]
        else:
            rows += [[(*lead, i, j) for j in range(q)] for i in range(p)]
    return rows


def step_of(numbers, largest):
    """The smallest float32 s with largest s >= max |x|."""
    most = max((abs(float(x)) for x in numbers), default=0.0)
    s = np.float32(most / largest)
    while float(s) * largest < most:
        s = np.nextafter(s, np.float32(np.inf))
    return s


def integers(x, largest, rng):
    """(bytes, decoded) of int8 (largest 127) and int4 (largest 7): m = floor(x / s), or one more by chance."""
    rows = rows_of(x)
    draws = iter(rng.random(sum(map(len, rows))))
    data, decoded = b"", np.zeros_like(x)
    for row in rows:
        numbers = [0.0 if place is None else float(x[place]) for place in row]
        s = step_of(numbers, largest)
        codes = []
        for place, number in zip(row, numbers, strict=True):
            ratio = number / float(s) if s > 0 else 0.0
            m = int(np.floor(ratio))
            if next(draws) < ratio - m:
                m += 1
            codes.append(m + largest + 1)
            if place is not None:
                decoded[place] = np.float32(m * float(s))
        data += struct.pack("<f", s)
        if largest == 127:
            data += bytes(codes)
        else:
            codes += [0] * (len(codes) % 2)
            data += bytes(codes[n] + 16 * codes[n + 1] for n in range(0, len(codes), 2))
    return data, decoded


def bfloat16(x, rng):
    """(bytes, decoded): of the 32 bits the upper 16, plus 1 with probability (lower 16) / 2^16."""
    draws = rng.integers(0, 2**16, x.shape, dtype=np.uint32)
    data, decoded = b"", np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        (bits,) = struct.unpack("<I", struct.pack("<f", x[place]))
        upper, lower = divmod(bits, 2**16)
        if int(draws[place]) + lower >= 2**16:
            upper += 1
        data += struct.pack("<H", upper)
        (decoded[place],) = struct.unpack("<f", struct.pack("<I", upper << 16))
    return data, decoded


def top_k(x, share):
    """(bytes, decoded): the ceil(share d) largest |x|, of equal ones the first, in the order of their places."""
    flat = [float(number) for number in x.ravel()]
    exact = Fraction(str(share)) * len(flat)
    k = -(-exact.numerator // exact.denominator)
    chosen = sorted(sorted(range(len(flat)), key=lambda place: (-abs(flat[place]), place))[:k])
    decoded = np.zeros(len(flat), x.dtype)
    for place in chosen:
        decoded[place] = flat[place]
    kind = "H" if len(flat) <= 2**16 else "I"
    data = struct.pack(f"<{k}f", *(flat[place] for place in chosen)) + struct.pack(f"<{k}{kind}", *chosen)
    return data, decoded.reshape(x.shape)
