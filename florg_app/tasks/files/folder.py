"""Rows from local files: found by the name of the split, checked row by row, bad ones refused or counted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from logging import ERROR
from pathlib import Path
from typing import Any, Literal

import pyarrow
from datasets import Dataset, Value

from florg_app.config.parse import ConfigError
from florg_app.tasks.base import OWNER_COLUMN, Split
from florg_app.tasks.files.checks import Layout, check_class_name
from florg_app.tasks.files.formats import READERS, FileColumns, read_file
from florg_app.tasks.files.row_error import DataError, public
from strategies.logger import log

SPLIT_STEMS: Mapping[Split, tuple[str, ...]] = {
    "train": ("train", "train_subset"),
    "validation": ("validation", "validation_matched", "dev", "dev_matched", "val", "valid"),
}
"""File names without suffix, the first one that is there counts; hub shards (train-00000-of-00002) as well."""

Readers = Mapping[str, Callable[[Path], FileColumns]]


@dataclass(frozen=True)
class LocalFolder:
    """A folder of data and the setting that names it, for error messages; or one file, of rows to train on."""

    path: Path
    key: str
    bad_rows: Literal["error", "skip"] = "error"
    """What a row that a task cannot use does: end the run, or be left out and counted."""
    readers: Readers = field(default_factory=lambda: READERS)
    skipped: dict[tuple[Split, str], int] = field(default_factory=dict, compare=False)
    """Rows left out so far, by split and name of the file."""
    private: bool = False
    """Errors quote nothing of the rows, since they go to the server; the log of this machine has the whole."""
    one_per_client: bool = False
    """Every file of the folder holds the training rows of one client, which OWNER tells."""
    column: str | None = None
    """One that training rows must have beside those that the task reads."""
    validation: tuple[str, Path] | None = None
    """Key and place, a folder or a file, of the validation rows where they lie elsewhere."""

    @property
    def extra_column(self) -> str | None:
        """The column by which the training rows are to be divided, beside those that the task reads."""
        return OWNER_COLUMN if self.one_per_client else self.column

    def rows(self, split: Split, layout: Layout, stems: Sequence[str] | None = None) -> Dataset:
        """The checked columns of a split, in memory; further columns are left out.

        Raises ConfigError that names the file, the row and what is wrong there.
        """
        if split == "train" and self.column is not None:
            layout = layout.plus(self.column, check_class_name, Value("string"))
        values: dict[str, list[Any]] = {name: [] for name in layout.types}
        owners: list[int] = []
        for number, path in enumerate(self.files(split, stems)):
            good = self._good(split, path, layout)
            owners += [number] * len(good)
            for name, column in values.items():
                column += [row[name] for row in good]
        rows = Dataset(pyarrow.table(values, schema=layout.types.arrow_schema))
        owned = split == "train" and self.one_per_client
        return rows.add_column(OWNER_COLUMN, owners) if owned else rows  # pyright: ignore[reportCallIssue]

    def column_of(self, split: Split, name: str) -> list[Any]:
        """The cells of one column as they are, rows that cannot be read left out."""
        tables = [self._read(path, [name]) for path in self.files(split)]
        return [cell for table in tables for row, cell in enumerate(table.columns[name]) if row not in table.broken]

    def column_names(self, split: Split, stems: Sequence[str] | None = None) -> tuple[str, ...]:
        """The columns of a split's first file."""
        return tuple(self._read(self.files(split, stems)[0], [], split).columns)

    def files(self, split: Split, stems: Sequence[str] | None = None) -> list[Path]:
        """The files of a split, several where it is in shards. Raises ConfigError where there is none, or a choice."""
        place, stems = self._place(split), stems or SPLIT_STEMS[split]
        if place.path.expanduser().is_file() and (split == "train" or place is not self):
            return [place.path.expanduser()]
        if self.one_per_client and place is self:
            return self._of_clients(split)
        found = place.find(split, stems)
        if not found:
            expected = f"expected one of {', '.join(stems)} with suffix {', '.join(filter(None, self.readers))}"
            names = _names(place._readable()) or "none of these formats"
            raise place.error(
                place.path,
                DataError(f"no file for {split}: {expected}, found {names}", f"no file for {split}: {expected}"),
            )
        if len({path.suffix for path in found}) > 1:
            raise place.error(place.path, f"several files for {split}: {_names(found)}; leave one format")
        return found

    def find(self, split: Split, stems: Sequence[str]) -> list[Path]:
        """The files of the first of these names that is there; none where none is."""
        place = self._place(split)
        if place.path.expanduser().is_file():
            return []
        if not place.path.expanduser().is_dir():
            raise place.error(place.path, "no such folder")
        for stem in stems:
            names = stem, f"{stem}-[0-9]*-of-[0-9]*"
            if files := [path for path in place._readable() if any(fnmatchcase(path.stem, name) for name in names)]:
                return files
        return []

    def has_validation(self, stems: Sequence[str]) -> bool:
        """Whether there are validation rows apart, or clients own the training rows, so that none are to be taken."""
        return self.private or self.one_per_client or bool(self.find("validation", stems))

    def error(self, path: Path, problem: str | ValueError) -> ConfigError:
        """In public words where the data are private; the log of this machine then has those that quote them."""
        head = f'{self.key} = "{self.path}": {path.name}: '
        if isinstance(problem, str) or not self.private:
            return ConfigError(f"{head}{problem}")
        if public(problem) != str(problem):
            log(ERROR, "on this machine alone: %s%s", head, problem)
        return ConfigError(head + public(problem))

    def _place(self, split: Split) -> "LocalFolder":
        if split == "train" or self.validation is None:
            return self
        key, path = self.validation
        return replace(self, path=path, key=key, validation=None, one_per_client=False)

    def _of_clients(self, split: Split) -> list[Path]:
        if split != "train":
            raise ConfigError(
                f'{self.key} = "{self.path}" has training rows alone; name a folder with validation rows in task.path, '
                f'or set evaluate.rows = "union-held-out", or evaluate.every = 0'
            )
        if not self.path.expanduser().is_dir():
            raise self.error(self.path, "no such folder")
        if not (files := self._readable()):
            raise self.error(self.path, f"no file with suffix {', '.join(self.readers)}")
        return files

    def _readable(self) -> list[Path]:
        if not self.path.expanduser().is_dir():
            return []
        paths = self.path.expanduser().iterdir()
        return sorted(path for path in paths if path.suffix in self.readers and not path.name.startswith("."))

    def _good(self, split: Split, path: Path, layout: Layout) -> list[dict[str, Any]]:
        """The checked rows of a file."""
        place, table = self._place(split), self._read(path, list(layout.checks), split)
        good, bad = _checked(table, layout)
        if bad and self.bad_rows == "error":
            row, problem = next(iter(bad.items()))
            more = f" ({len(bad) - 1} more rows of {table.num_rows} are bad)" if len(bad) > 1 else ""
            remedy = f'correct it, or set task.bad-rows = "skip" to leave it out{more}'
            raise place.error(path, _around(f"row {row + 1}: ", problem, f"; {remedy}"))
        if not good:
            raise place.error(path, _around(f"none of its {table.num_rows} rows can be used; row 1: ", bad[0]))
        self.skipped[split, path.name] = len(bad)
        return good

    def _read(self, path: Path, wanted: Sequence[str], split: Split = "train") -> FileColumns:
        place = self._place(split)
        try:
            table = read_file(path, self.readers[path.suffix])
        except KeyError:
            raise place.error(path, f"is none of {', '.join(self.readers)}") from None
        except ValueError as error:
            raise place.error(path, error) from error
        if not table.num_rows and table.columns.keys() >= set(wanted):
            raise place.error(path, "no rows")
        if missing := [name for name in wanted if name not in table.columns]:
            broken = "".join(f"; row {row + 1}: {problem}" for row, problem in [*table.broken.items()][:1])
            columns = ", ".join(table.columns) or "none"
            lacks = f"no column {', '.join(missing)}"
            # A file without a header has its first row for one.
            raise place.error(path, DataError(f"{lacks}; its columns are {columns}{broken}", f"{lacks}{broken}"))
        return table


def _around(before: str, problem: ValueError, after: str = "") -> DataError:
    """The problem with words around it."""
    return DataError(f"{before}{problem}{after}", f"{before}{public(problem)}{after}")


def _checked(table: FileColumns, layout: Layout) -> tuple[list[dict[str, Any]], dict[int, ValueError]]:
    """The good rows, and by number from 0 what is wrong with the others."""
    good: list[dict[str, Any]] = []
    bad: dict[int, ValueError] = {row: DataError(problem) for row, problem in table.broken.items()}
    for row, cells in enumerate(zip(*(table.columns[name] for name in layout.checks), strict=True)):
        if row not in bad:
            try:
                good.append(layout.row(dict(zip(layout.checks, cells, strict=True))))
            except ValueError as error:
                bad[row] = error
    return good, dict(sorted(bad.items()))


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths)
