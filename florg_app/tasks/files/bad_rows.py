"""What becomes of rows that a task cannot use, wherever that shows: the first ends the run, or all are left out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from datasets import Dataset

from florg_app.config.parse import ConfigError
from florg_app.tasks.files.wording import DataError, Wording, surrounded
from florg_app.tasks.split import ORIGIN_COLUMN, Split

_ROWS = 2**40
"""More than a file has rows: a row's origin is its number in the file plus so many times the number of the file."""


@dataclass(frozen=True)
class RowSource:
    """One file, or one split of a data set of the hub."""

    split: Split
    path: Path
    wording: Wording


@dataclass
class BadRows:
    """Left out and counted, or the end of the run; which row it is, is known from where it came from."""

    skip: bool = False
    """task.bad-rows = "skip"."""
    left_out: dict[tuple[Split, str], set[int]] = field(default_factory=dict)
    """Numbers of rows by split and file, or by split and the setting that they do not suit."""
    times: int = 0
    """How often a row was left out, repetitions included: whether some work has met a bad row."""
    _sources: list[RowSource] = field(default_factory=list)

    @property
    def counts(self) -> Mapping[tuple[Split, str], int]:
        """How many rows were left out, each counted once, however often it was read."""
        return {key: len(rows) for key, rows in self.left_out.items() if rows}

    def origins(self, source: RowSource, rows: np.ndarray) -> np.ndarray:
        """The origins (int64) of rows with these numbers in a source: ORIGIN_COLUMN of a data set."""
        if source not in self._sources:
            self._sources.append(source)
        return self._sources.index(source) * _ROWS + rows

    def refuse(self, source: RowSource, row: int, problem: ValueError, more: str = "", setting: str = "") -> None:
        """Leave out row number `row` of a source, or raise ConfigError naming it, the problem and the remedy.

        `setting`: the one that the row does not suit, under whose name it is counted instead of that of the file.
        """
        if not self.skip:
            remedy = f'{"change" if setting else "correct"} it, or set task.bad-rows = "skip" to leave it out{more}'
            raise source.wording.error(source.path, surrounded(f"row {row + 1}: ", problem, f"; {remedy}"))
        self.left_out.setdefault((source.split, setting or source.path.name), set()).add(row)
        self.times += 1

    def error_at(self, rows: Dataset, place: int, problem: ValueError) -> ConfigError:
        """The error about the row at a place of a data set, where it is too late to leave it out."""
        if ORIGIN_COLUMN not in rows.column_names:
            return ConfigError(f"row {place + 1} of {len(rows)}: {problem}")
        source, row = divmod(int(rows[ORIGIN_COLUMN][place]), _ROWS)
        found = self._sources[source]
        return found.wording.error(found.path, surrounded(f"row {row + 1}: ", problem))

    def refuse_at(self, rows: Dataset, place: int, problem: DataError, setting: str = "") -> None:
        """Do the same for the row at a place of a data set, which knows its origin unless the application brings it."""
        if ORIGIN_COLUMN not in rows.column_names:
            raise ConfigError(f"row {place + 1} of {len(rows)}: {problem.public}")
        source, row = divmod(int(rows[ORIGIN_COLUMN][place]), _ROWS)
        self.refuse(self._sources[source], row, problem, setting=setting)
