"""Rows of a file, checked one by one: the good ones as Arrow takes them, and what is wrong with the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow

from florg_app.tasks.files.checks import Layout
from florg_app.tasks.files.table import FileTable
from florg_app.tasks.files.wording import DataError


@dataclass(frozen=True)
class CheckedRows:
    """The rows of one file."""

    columns: Mapping[str, Sequence[Any]]
    """Values of the good rows."""
    numbers: np.ndarray
    """Of the good rows in the file, from 0, ascending."""
    bad: Mapping[int, ValueError]
    """What is wrong with the others, by number."""


def check_table(table: FileTable, layout: Layout) -> CheckedRows:
    """The rows of a table that has all required columns. Raises DataError where a wanted column is there twice."""
    cells = {name: table.column(name) for name in layout.checks if name in table.names}
    bad: dict[int, ValueError] = {row: DataError(problem) for row, problem in table.broken.items()}
    good: dict[int, dict[str, Any]] = {}
    for row in range(table.num_rows):
        if row not in bad:
            try:
                good[row] = layout.row({name: column[row] for name, column in cells.items()})
            except ValueError as error:
                bad[row] = error
    bad |= _inconvertible(good, layout)
    numbers = [row for row in good if row not in bad]
    columns = {name: [good[row][name] for row in numbers] for name in layout.types}
    return CheckedRows(columns, np.array(numbers, np.int64), dict(sorted(bad.items())))


def _inconvertible(rows: Mapping[int, Mapping[str, Any]], layout: Layout) -> dict[int, ValueError]:
    """What is wrong with rows that have a value which Arrow does not take for its column."""
    found: dict[int, ValueError] = {}
    for name, kind in zip(layout.types, layout.types.arrow_schema.types, strict=True):
        if _array([row[name] for row in rows.values()], kind) is None:
            for number, row in rows.items():
                if _array([row[name]], kind) is None:
                    found[number] = DataError(f"{name} holds something that is no {kind}")
    return found


def _array(values: list[Any], kind: Any) -> Any:
    try:
        return pyarrow.array(values, kind)
    except (pyarrow.ArrowException, OverflowError, UnicodeEncodeError, TypeError):
        return None
