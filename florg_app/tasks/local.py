"""Rows from a folder of files: found by the name of the split, checked row by row, bad ones refused or counted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import pyarrow
from datasets import Dataset

from florg_app.config import ConfigError
from florg_app.tasks.base import Split
from florg_app.tasks.checks import Layout
from florg_app.tasks.formats import READERS, Table, read_file

STEMS: Mapping[Split, tuple[str, ...]] = {
    "train": ("train", "train_subset"),
    "validation": ("validation", "validation_matched", "dev", "dev_matched", "val", "valid"),
}
"""File names without suffix, the first one that is there counts; hub shards (train-00000-of-00002) as well."""

Readers = Mapping[str, Callable[[Path], Table]]


@dataclass(frozen=True)
class LocalFolder:
    """A folder of data and the setting that names it, for error messages."""

    path: Path
    key: str
    bad_rows: Literal["error", "skip"] = "error"
    """What a row that a task cannot use does: end the run, or be left out and counted."""
    readers: Readers = field(default_factory=lambda: READERS)
    skipped: dict[tuple[Split, str], int] = field(default_factory=dict, compare=False)
    """Rows left out so far, by split and name of the file."""

    def rows(self, split: Split, layout: Layout, stems: Sequence[str] | None = None) -> Dataset:
        """The checked columns of a split, in memory; further columns are left out.

        Raises ConfigError that names the file, the row and what is wrong there.
        """
        values: dict[str, list[Any]] = {name: [] for name in layout.types}
        for path in self.files(split, stems):
            good = self._good(split, path, layout)
            for name, column in values.items():
                column += [row[name] for row in good]
        return Dataset(pyarrow.table(values, schema=layout.types.arrow_schema))

    def column(self, split: Split, name: str) -> list[Any]:
        """The cells of one column as they are, rows that cannot be read left out."""
        tables = [self._read(path, [name]) for path in self.files(split)]
        return [cell for table in tables for row, cell in enumerate(table.columns[name]) if row not in table.broken]

    def column_names(self, split: Split, stems: Sequence[str] | None = None) -> tuple[str, ...]:
        """The columns of a split's first file."""
        return tuple(self._read(self.files(split, stems)[0], []).columns)

    def files(self, split: Split, stems: Sequence[str] | None = None) -> list[Path]:
        """The files of a split, several where it is in shards. Raises ConfigError where there is none, or a choice."""
        stems = stems or STEMS[split]
        found = self.find(stems)
        if not found:
            suffixes = ", ".join(filter(None, self.readers))
            raise self.error(
                self.path,
                f"no file for {split}: expected one of {', '.join(stems)} with suffix {suffixes}, "
                f"found {_names(self._readable()) or 'none of these formats'}",
            )
        if len({path.suffix for path in found}) > 1:
            raise self.error(self.path, f"several files for {split}: {_names(found)}; leave one format")
        return found

    def find(self, stems: Sequence[str]) -> list[Path]:
        """The files of the first of these names that is there; none where none is."""
        if not self.path.expanduser().is_dir():
            raise self.error(self.path, "no such folder")
        for stem in stems:
            names = stem, f"{stem}-[0-9]*-of-[0-9]*"
            if files := [path for path in self._readable() if any(fnmatchcase(path.stem, name) for name in names)]:
                return files
        return []

    def error(self, path: Path, problem: str) -> ConfigError:
        return ConfigError(f'{self.key} = "{self.path}": {path.name}: {problem}')

    def _readable(self) -> list[Path]:
        return sorted(path for path in self.path.expanduser().iterdir() if path.suffix in self.readers)

    def _good(self, split: Split, path: Path, layout: Layout) -> list[dict[str, Any]]:
        """The checked rows of a file."""
        table = self._read(path, list(layout.checks))
        good, bad = _checked(table, layout)
        if bad and self.bad_rows == "error":
            row, problem = next(iter(bad.items()))
            more = f" ({len(bad) - 1} more rows of {table.num_rows} are bad)" if len(bad) > 1 else ""
            raise self.error(
                path, f'row {row + 1}: {problem}; correct it, or set task.bad-rows = "skip" to leave it out{more}'
            )
        if not good:
            raise self.error(path, f"none of its {table.num_rows} rows can be used; row 1: {bad[0]}")
        self.skipped[split, path.name] = len(bad)
        return good

    def _read(self, path: Path, wanted: Sequence[str]) -> Table:
        try:
            table = read_file(path, self.readers[path.suffix])
        except ValueError as error:
            raise self.error(path, str(error)) from error
        if not table.num_rows and table.columns.keys() >= set(wanted):
            raise self.error(path, "no rows")
        if missing := [name for name in wanted if name not in table.columns]:
            broken = "".join(f"; row {row + 1}: {problem}" for row, problem in [*table.broken.items()][:1])
            columns = ", ".join(table.columns) or "none"
            raise self.error(path, f"no column {', '.join(missing)}; its columns are {columns}{broken}")
        return table


def _checked(table: Table, layout: Layout) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """The good rows, and by number from 0 what is wrong with the others."""
    good: list[dict[str, Any]] = []
    bad = dict(table.broken)
    for row, cells in enumerate(zip(*(table.columns[name] for name in layout.checks), strict=True)):
        if row not in bad:
            try:
                good.append(layout.row(dict(zip(layout.checks, cells, strict=True))))
            except ValueError as error:
                bad[row] = str(error)
    return good, dict(sorted(bad.items()))


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths)
