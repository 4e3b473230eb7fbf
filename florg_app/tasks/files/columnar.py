"""Parquet: columns become values when they are asked for; a value that cannot become one is a bad cell."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from florg_app.tasks.files.canonical import stripped
from florg_app.tasks.files.table import FileTable
from florg_app.tasks.files.wording import BadCell, DataError


def read_parquet(path: Path) -> FileTable:
    """A parquet file, or a folder of its parts."""
    try:
        # A file by itself, since a data set of files refuses two columns of one name, whether they are wanted or not.
        table = parquet.read_table(path) if path.is_dir() else parquet.ParquetFile(path).read()
    except ValueError as error:
        raise DataError(f"cannot be read as parquet: {error}", "cannot be read as parquet") from error
    names = tuple(stripped(name) for name in table.column_names)
    return FileTable(names, table.num_rows, lambda place: _values(table.column(place)))


def _values(column: Any) -> Sequence[Any]:
    try:
        return column.to_pylist()
    except (ValueError, OverflowError, pyarrow.ArrowException):
        return [_value(cell) for cell in column]


def _value(cell: Any) -> Any:
    try:
        return cell.as_py()
    except (ValueError, OverflowError, pyarrow.ArrowException) as error:
        kind = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else f"no value of type {cell.type}"
        return BadCell(f"cannot be read: {kind}")
