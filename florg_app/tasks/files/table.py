"""The rows of a file as they are in it, not yet checked; a broken row is one of them, with what is wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from florg_app.tasks.files.wording import DataError, columns_named


@dataclass(frozen=True)
class FileTable:
    """Columns by position, since a file may have two of one name; made of the file's values when they are asked for."""

    names: tuple[str, ...]
    """In the order of the file."""
    num_rows: int
    cells: Callable[[int], Sequence[Any]]
    """Position of a column -> its cells, those of broken rows None."""
    broken: Mapping[int, str] = field(default_factory=dict)
    """What is wrong with rows that could not be read, by number from 0, in words that quote nothing."""

    def column(self, name: str) -> Sequence[Any]:
        """The cells of a column. Raises DataError where there are several of this name."""
        places = [place for place, other in enumerate(self.names) if other == name]
        if len(places) > 1:
            positions = " and ".join(str(place + 1) for place in places)
            raise DataError(
                f"has {len(places)} columns of the name {columns_named([name])} (columns {positions}), and no telling "
                f"which is meant; remove or rename all but one"
            )
        return self.cells(places[0])


def table_of(columns: Mapping[str, Sequence[Any]], broken: Mapping[int, str] | None = None) -> FileTable:
    """The table of columns that are in memory, all of one length."""
    broken, values = broken or {}, list(columns.values())
    num_rows = max((len(column) for column in values), default=len(broken))
    return FileTable(tuple(columns), num_rows, values.__getitem__, broken)
