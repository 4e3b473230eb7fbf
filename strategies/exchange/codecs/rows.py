"""A tensor as rows of numbers of like size, for one scale each.

Of the matrices of a group, (l, p, q), a row runs along the longer side: a row of A, a column of B, one of each for each
direction of the rank. A vector, such as the head, is cut into blocks.
"""

from math import ceil

import numpy as np
from jaxtyping import Shaped

from strategies.state import Shape

BLOCK = 256
"""The most numbers of a vector that share a scale."""


def rows_shape(layout: Shape, size: tuple[int, ...] | None = None) -> Shape:
    """Return the shape (..., number of rows, numbers in a row) that `to_rows` makes of a tensor.

    Along which axis a row runs follows from the layout alone, where a size that may change from round to round is None;
    of two last axes, one of them such, the other is the row.

    >>> rows_shape((3, 6, 2)), rows_shape((3, 2, 5)), rows_shape((3, None, 5)), rows_shape((601,))
    ((3, 2, 6), (3, 2, 5), (3, None, 5), (3, 201))
    """
    if len(layout) == 1:
        assert layout[0] is not None, "a vector has a known size"
        return _blocks(layout[0])
    shape = layout if size is None else size
    return (*shape[:-2], shape[-1], shape[-2]) if _is_turned(layout) else shape


def to_rows(values: Shaped[np.ndarray, "..."], layout: Shape) -> Shaped[np.ndarray, "..."]:
    """Return the numbers of a tensor by rows; the last block of a vector is filled up with zeros."""
    if values.ndim == 1:
        count, width = _blocks(values.size)
        return np.pad(values, (0, count * width - values.size)).reshape(count, width)
    return values.swapaxes(-1, -2) if _is_turned(layout) else values


def from_rows(rows: Shaped[np.ndarray, "..."], layout: Shape) -> Shaped[np.ndarray, "..."]:
    """Return the tensor, contiguous; `to_rows` inverts it."""
    if len(layout) == 1:
        return np.ascontiguousarray(rows.ravel()[: layout[0]])
    return np.ascontiguousarray(rows.swapaxes(-1, -2) if _is_turned(layout) else rows)


def _is_turned(layout: Shape) -> bool:
    """Whether a row runs along the last axis but one. Layers, the first axis, are in no row."""
    if len(layout) < 3:
        return False
    p, q = layout[-2:]
    return p is not None and (q is None or p > q)


def _blocks(size: int) -> tuple[int, int]:
    count = max(1, ceil(size / BLOCK))
    return count, ceil(size / count)
