"""Rows from local files: found, read once, checked row by row, bad ones refused or counted, owners told."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow
from datasets import Dataset

from florg_app.config.parse import ConfigError
from florg_app.config.task_settings import TaskSettings
from florg_app.tasks.files.bad_rows import BadRows, RowSource
from florg_app.tasks.files.checking import CheckedRows, check_table
from florg_app.tasks.files.checks import Layout
from florg_app.tasks.files.finding import SPLIT_STEMS, FilePlace, endings_in_words, kind_of
from florg_app.tasks.files.owner import Owner
from florg_app.tasks.files.reading import READERS, Readers, read_file
from florg_app.tasks.files.sampling import in_one
from florg_app.tasks.files.table import FileTable
from florg_app.tasks.files.wording import DataError, Wording, columns_named, surrounded
from florg_app.tasks.split import ORIGIN_COLUMN, Split


@dataclass(frozen=True)
class LocalFolder:
    """The files of a task: of a folder with a file for each split, or with one for each client, or a file alone."""

    place: FilePlace
    owner: Owner
    bad_rows: BadRows
    readers: Readers
    _read: dict[Path, FileTable] = field(default_factory=dict, compare=False)
    """Tables that are needed once more, for their rows."""

    @property
    def private(self) -> bool:
        """Whether the rows are one client's own."""
        return self.place.wording.private

    def with_readers(self, readers: Readers) -> "LocalFolder":
        """The same files, read by these."""
        return replace(self, readers=readers, place=self.place.with_kinds(tuple(readers)), _read={})

    def rows(self, split: Split, layout: Layout, stems: Sequence[str] | None = None) -> Dataset:
        """The checked columns of a split, in memory, and where each row is from; further columns are left out.

        Raises ConfigError that names the file, the row and what is wrong there.
        """
        return in_one([self.part(split, path, layout, stems) for path in self.files(split, stems)])

    def part(self, split: Split, path: Path, layout: Layout, stems: Sequence[str] | None = None) -> Dataset:
        """The same of one file of the split."""
        layout = self.owner.layout(split, layout)
        found = self._checked(split, path, layout)
        origins = self.bad_rows.origins(RowSource(split, path, self.place.of(split).wording), found.numbers)
        table = pyarrow.table(dict(found.columns), schema=layout.types.arrow_schema)
        rows = Dataset(table.append_column(ORIGIN_COLUMN, pyarrow.array(origins)))
        return self.owner.marked(split, rows, self.files(split, stems).index(path))

    def cells(self, split: Split, name: str, stems: Sequence[str] | None = None) -> list[tuple[Path, int, Any]]:
        """File, row number and cell of one column as they are, rows that cannot be read left out."""
        found = []
        for path in self.files(split, stems):
            table = self._table(split, path, [name], again=True)
            column = self._said(split, path, table, name)
            found += [(path, row, cell) for row, cell in enumerate(column) if row not in table.broken]
        return found

    def names(self, split: Split, path: Path) -> tuple[str, ...]:
        """The columns of one file."""
        table = self._table(split, path, [], again=True)
        if not table.names:
            raise self.error(split, path, f"no columns{_first_broken(table)}")
        return table.names

    def files(self, split: Split, stems: Sequence[str] | None = None) -> list[Path]:
        """The files of a split, several where it is in shards. Raises ConfigError where there is none, or a choice."""
        return self.place.files(split, stems or SPLIT_STEMS[split])

    def find(self, split: Split, stems: Sequence[str]) -> list[Path]:
        """The files of the first of these names that is there; none where none is."""
        return self.place.find(split, stems)

    def has_validation(self, stems: Sequence[str]) -> bool:
        """Whether there are validation rows apart, or clients own the training rows, so that none are to be taken."""
        return self.private or self.owner.by_file or bool(self.find("validation", stems))

    def error(self, split: Split, path: Path, problem: str | ValueError) -> ConfigError:
        """The error about a file of a split."""
        return self.place.of(split).wording.error(path, problem)

    def _checked(self, split: Split, path: Path, layout: Layout) -> CheckedRows:
        """The good rows of a file; the bad ones are refused or counted."""
        table = self._table(split, path, layout.required)
        try:
            found = check_table(table, layout)
        except DataError as error:
            raise self.error(split, path, error) from error
        more = f" ({len(found.bad) - 1} more rows of {table.num_rows} are bad)" if len(found.bad) > 1 else ""
        if not len(found.numbers) and self.bad_rows.skip:
            row, problem = next(iter(found.bad.items()))
            none = f"none of its {table.num_rows} rows can be used; row {row + 1}: "
            raise self.error(split, path, surrounded(none, problem))
        for row, problem in found.bad.items():
            self.bad_rows.refuse(RowSource(split, path, self.place.of(split).wording), row, problem, more)
        return found

    def _table(self, split: Split, path: Path, wanted: Sequence[str], again: bool = False) -> FileTable:
        """The table of a file with at least these columns and one row; `again`: it will be asked for once more."""
        if path not in self._read:
            self._read[path] = self._readable(split, path)
        table = self._read[path] if again else self._read.pop(path)
        missing = [name for name in wanted if name not in table.names]
        if not table.num_rows and not missing:
            raise self.error(split, path, "no rows")
        if missing:
            broken = _first_broken(table)
            lacks = f"no column {columns_named(missing)}"
            # A file without a header has its first row for one.
            words = DataError(f"{lacks}; its columns are {columns_named(table.names)}{broken}", f"{lacks}{broken}")
            raise self.error(split, path, words)
        return table

    def _readable(self, split: Split, path: Path) -> FileTable:
        kind = kind_of(path, self.readers)
        if kind is None:
            raise self.error(split, path, f"is none of {endings_in_words(self.readers)}")
        try:
            return read_file(path, kind, self.readers)
        except ValueError as error:
            raise self.error(split, path, error) from error

    def _said(self, split: Split, path: Path, table: FileTable, name: str) -> Sequence[Any]:
        try:
            return table.column(name)
        except DataError as error:
            raise self.error(split, path, error) from error


def _first_broken(table: FileTable) -> str:
    """What is wrong with the first broken row, to be put behind another problem; empty where none is broken."""
    return "".join(f"; row {row + 1}: {problem}" for row, problem in [*table.broken.items()][:1])


def local_folder(
    wording: Wording,
    bad_rows: BadRows,
    owner: Owner | None = None,
    validation: Wording | None = None,
    readers: Readers = READERS,
) -> LocalFolder:
    """The files at the place that `wording` names; `validation` names that of the validation rows, if it is another."""
    owner, kinds = owner or Owner(), tuple(readers)
    elsewhere = None if validation is None else FilePlace(validation, kinds)
    return LocalFolder(FilePlace(wording, kinds, owner.by_file, elsewhere), owner, bad_rows, readers)


def bad_rows_of(task: TaskSettings, folder: LocalFolder | None = None) -> BadRows:
    """What becomes of the bad rows of a folder, or of another source where there is none."""
    return BadRows(task.bad_rows == "skip") if folder is None else folder.bad_rows
