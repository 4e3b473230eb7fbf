"""The one reader of arrays that others sent: nothing of their bytes is believed before it has been checked.

An array travels in NumPy's format npy 1.0: magic, version, two bytes of header length, a header in words, the numbers.
Only what this application writes is read: one dtype in little-endian C order, of the shape that is expected. No general
reader of the format sees the bytes, since those believe what a header claims, and read zip archives and pickles too.
"""

import re
from dataclasses import dataclass
from math import prod

import numpy as np
from jaxtyping import Float, Shaped

from strategies.exchange.foreign_text import shown_value
from strategies.state import Shape, fits

WIRE_DTYPE = np.dtype("<f4")

LARGEST_NUMBER = float(np.sqrt(np.finfo(WIRE_DTYPE).max))
"""Of the numbers in a message: one whose square is beyond float32 overflows the products of any method."""

_MAGIC = b"\x93NUMPY\x01\x00"
_START = len(_MAGIC) + 2
LONGEST_HEADER = 512
"""Bytes of a header that are read; those of `pack` have 118."""

_KIND = rb"\{'descr': '([^']{1,20})', 'fortran_order': (True|False), "
_SIZE = rb"(?:0|[1-9]\d{0,11})"
_SIZES = rb"'shape': \((|" + _SIZE + rb",|" + _SIZE + rb"(?:, " + _SIZE + rb"){1,7})\), \} *\n"
_HEADER, _OTHER = re.compile(_KIND + _SIZES), re.compile(_KIND)


@dataclass(frozen=True)
class Malformed:
    """Why arrays were not accepted."""

    reason: str


def header_bytes(data: bytes) -> int:
    """Return the length of what precedes the numbers, at most that of the data; 0 where it is no npy 1.0."""
    if not data.startswith(_MAGIC) or len(data) < _START:
        return 0
    return min(len(data), _START + int.from_bytes(data[len(_MAGIC) : _START], "little"))


def array_numbers(data: bytes) -> int:
    """Return how many numbers came with an array: as many as its bytes hold, whatever shape its header claims."""
    other = _OTHER.match(data, _START, _START + LONGEST_HEADER)
    words = other is not None and other[1] == b"<u8"
    return (len(data) - header_bytes(data)) // (8 if words else WIRE_DTYPE.itemsize)


def read_array(
    data: bytes, key: str, expected: Shape, dtype: np.dtype = WIRE_DTYPE
) -> Shaped[np.ndarray, "..."] | Malformed:
    """Read the numbers of an array of the expected shape and dtype, or say why not. The result is a copy of its own.

    Costs at most what the bytes that are there cost; `key` names the array in the reason. Floating-point numbers are
    finite and no larger than `LARGEST_NUMBER`.
    """
    shape = _claimed_shape(data, dtype)
    if isinstance(shape, str):
        return Malformed(f"'{key}' cannot be decoded: {shape}")
    if not fits(shape, expected):
        return Malformed(f"'{key}' is {shape}, expected {tuple(expected)}; other model, targets or rank?")
    start = header_bytes(data)
    if prod(shape) * dtype.itemsize != len(data) - start:
        return Malformed(f"'{key}' claims {prod(shape)} numbers, but {len(data) - start} bytes came with it")
    values = np.frombuffer(data, dtype, offset=start).reshape(shape)
    return (unusable_numbers(values, key) if dtype.kind == "f" else None) or values.copy()


def _claimed_shape(data: bytes, dtype: np.dtype) -> tuple[int, ...] | str:
    """The shape in the header; or, in words, what is wrong with the header."""
    start = header_bytes(data)
    if not start:
        return "it is no array in NumPy's format 1.0"
    header = data[_START:start]
    if len(header) > LONGEST_HEADER:
        return f"its header has {len(header)} bytes, expected at most {LONGEST_HEADER}"
    right = (dtype.str.encode(), b"False")
    if (whole := _HEADER.fullmatch(header)) and whole.group(1, 2) == right:
        return tuple(map(int, re.findall(rb"\d+", whole[3])))
    if (other := _OTHER.match(header)) and other.groups() != right:
        kind, order = other[1].decode("ascii", "replace"), "Fortran" if other[2] == b"True" else "C"
        return f"it is {shown_value(kind)} in {order} order, expected {dtype.str!r} in C order"
    return "its header is none that this application writes"


def unusable_numbers(values: Float[np.ndarray, "..."], key: str) -> Malformed | None:
    """Say why no method can use the numbers of the tensor of this key; None where one can."""
    if not np.isfinite(values).all():
        bad = int(values.size - np.isfinite(values).sum())
        return Malformed(f"'{key}' has {bad} NaN or infinite numbers of {values.size}; its training diverged")
    if huge := int((np.abs(values) > LARGEST_NUMBER).sum()):
        return Malformed(
            f"'{key}' has {huge} numbers beyond {LARGEST_NUMBER:.1e} of {values.size}; its training diverged"
        )
    return None
