"""Tokenised features as an Arrow table and back, value for value: what comes back is equal and of the same types."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow

_SHAPE = b"trailing shape"
"""Of the arrays of a column, all dimensions but the first."""

_PLAIN = {int: pyarrow.int64(), float: pyarrow.float64(), str: pyarrow.string()}
_LISTS = (pyarrow.list_(pyarrow.int64()), pyarrow.list_(pyarrow.string()))


def to_table(features: Sequence[Mapping[str, Any]]) -> pyarrow.Table | None:
    """One row per feature; None where they hold anything but numbers, texts, lists of them, and arrays of integers."""
    names = list(features[0])
    if any(list(feature) != names for feature in features):
        return None
    columns = {name: _column([feature[name] for feature in features]) for name in names}
    if any(column is None for column in columns.values()):
        return None
    fields = [pyarrow.field(name, found[0].type, metadata=found[1]) for name, found in columns.items() if found]
    return pyarrow.table([found[0] for found in columns.values() if found], schema=pyarrow.schema(fields))


def from_table(table: pyarrow.Table) -> list[dict[str, Any]]:
    """The features that `to_table` was given."""
    columns = []
    for index, field in enumerate(table.schema):
        values: list[Any] = []
        for chunk in table.column(index).chunks:
            values += _values(chunk, (field.metadata or {}).get(_SHAPE))
        columns.append(values)
    return [dict(zip(table.column_names, values, strict=True)) for values in zip(*columns, strict=True)]


def _column(values: list[Any]) -> tuple[Any, dict[bytes, bytes] | None] | None:
    """(array, metadata of its field), or None for values of other or unequal types."""
    if len({type(value) for value in values}) != 1:
        return None
    if isinstance(values[0], np.ndarray):
        return _arrays(values)
    if type(values[0]) in _PLAIN:
        return pyarrow.array(values, _PLAIN[type(values[0])]), None
    if type(values[0]) is not list:
        return None
    try:
        array = pyarrow.array(values)
    except pyarrow.ArrowInvalid:
        return None
    return (array, None) if array.type in _LISTS else None


def _arrays(values: list[np.ndarray]) -> tuple[Any, dict[bytes, bytes]] | None:
    kinds = {(value.dtype, value.shape[1:]) for value in values}
    dtype, trailing = next(iter(kinds))
    if len(kinds) != 1 or dtype.kind != "i":
        return None
    sizes = [value.size for value in values]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    flat = np.concatenate([value.ravel() for value in values])
    array = pyarrow.ListArray.from_arrays(pyarrow.array(offsets), pyarrow.array(flat))
    return array, {_SHAPE: ",".join(map(str, trailing)).encode()}


def _values(chunk: Any, trailing: bytes | None) -> list[Any]:
    """Much faster than pyarrow's to_pylist, which makes an object of its own of every number."""
    if not pyarrow.types.is_list(chunk.type):
        return chunk.to_pylist()
    offsets = (chunk.offsets.to_numpy() - chunk.offsets[0].as_py()).tolist()
    flat = chunk.flatten()
    cut: Callable[[int, int], Any]
    if trailing is not None:
        numbers, shape = flat.to_numpy().copy(), tuple(int(size) for size in trailing.decode().split(",") if size)
        cut = lambda begin, end: numbers[begin:end].reshape(-1, *shape)  # noqa: E731
    else:
        items = flat.to_pylist() if pyarrow.types.is_string(flat.type) else flat.to_numpy().tolist()
        cut = lambda begin, end: items[begin:end]  # noqa: E731
    return [cut(begin, end) for begin, end in pairwise(offsets)]
