"""Rows that somebody asks a model about: no more than the columns that are read, each cell checked."""

from collections.abc import Mapping, Sequence
from typing import Any

from florg_app.config.flat import listed_names
from florg_app.tasks.files.checks import Check


def asked_cells(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], check: Check) -> dict[str, tuple[Any, ...]]:
    """The checked cells of these columns. Raises ValueError naming the row, from 1, and the column."""
    found = {name: [] for name in columns}
    for number, row in enumerate(rows, 1):
        if missing := [name for name in columns if row.get(name) is None]:
            raise ValueError(
                f"row {number}: no {listed_names(missing)}; it has {listed_names(list(row)) or 'nothing'}; give every "
                f"row {listed_names(columns)}"
            )
        for name in columns:
            try:
                found[name].append(check(row[name]))
            except ValueError as error:
                raise ValueError(f"row {number}: {name} {error}") from error
    return {name: tuple(cells) for name, cells in found.items()}
