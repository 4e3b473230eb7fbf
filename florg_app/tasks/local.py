"""Rows from a folder of parquet, csv, tsv or jsonl files: found by the name of the split, checked row by row."""

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
from datasets import ClassLabel, Dataset, Value
from datasets import Features as Columns
from pyarrow import parquet

from florg_app.config import ConfigError
from florg_app.tasks.base import Split

STEMS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "train_subset"),
    "validation": ("validation", "validation_matched", "dev", "dev_matched", "val", "valid"),
}
"""File names without suffix, the first one that is there counts; hub shards (train-00000-of-00002) as well."""

Table = dict[str, list[Any]]


def _parquet(path: Path) -> Table:
    return parquet.read_table(path).to_pydict()


def _csv(path: Path) -> Table:
    return _delimited(path, delimiter=",", strict=True)


def _tsv(path: Path) -> Table:
    # As GLUE publishes it: quotation marks are text, not quoting, and often unbalanced.
    return _delimited(path, delimiter="\t", quoting=csv.QUOTE_NONE)


def _delimited(path: Path, **dialect: Any) -> Table:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, **dialect)
        names = next(reader, [])
        rows = [row for row in reader if row]
    for number, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise ValueError(f"row {number} has {len(row)} fields, the header has {len(names)}")
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


def _jsonl(path: Path) -> Table:
    with path.open(encoding="utf-8-sig") as file:
        rows = [_json_object(number, line) for number, line in enumerate(file, 1) if line.strip()]
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(key for row in rows for key in row)}


def _json_object(number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number} is not JSON ({error.msg}, column {error.colno})") from None
    if not isinstance(row, dict):
        raise ValueError(f"line {number} is not a JSON object")
    return row


READERS: dict[str, Callable[[Path], Table]] = {".parquet": _parquet, ".csv": _csv, ".tsv": _tsv, ".jsonl": _jsonl}


@dataclass(frozen=True)
class LocalFolder:
    """A folder of data and the setting that names it, for error messages."""

    path: Path
    key: str

    def rows(self, split: Split, text_columns: Sequence[str], label_column: str, label_names: Sequence[str]) -> Dataset:
        """Texts and class numbers of a split, in memory; further columns are left out.

        Labels may be class numbers or class names. Raises ConfigError that names the file and what is wrong in it.
        """
        wanted = [*text_columns, label_column]
        merged: Table = {name: [] for name in wanted}
        for path in self._files(split):
            table = self._read(path, wanted)
            for name in text_columns:
                merged[name] += self._texts(path, name, table[name])
            merged[label_column] += self._labels(path, label_column, table[label_column], label_names)
        types = {name: Value("string") for name in text_columns} | {label_column: ClassLabel(names=list(label_names))}
        return Dataset(pyarrow.table(merged, schema=Columns(types).arrow_schema))

    def _files(self, split: Split) -> list[Path]:
        if not self.path.expanduser().is_dir():
            raise self._error(self.path, "no such folder")
        found = sorted(path for path in self.path.expanduser().iterdir() if path.suffix in READERS)
        for stem in STEMS[split]:
            files = [path for path in found if re.fullmatch(rf"{stem}(-\d+-of-\d+)?", path.stem)]
            if len({path.suffix for path in files}) > 1:
                raise self._error(self.path, f"several files for {split}: {_names(files)}; leave one format")
            if files:
                return files
        raise self._error(
            self.path,
            f"no file for {split}: expected one of {', '.join(STEMS[split])} with suffix {', '.join(READERS)}, "
            f"found {_names(found) or 'none of these formats'}",
        )

    def _read(self, path: Path, wanted: Sequence[str]) -> Table:
        try:
            table = READERS[path.suffix](path)
        except (OSError, ValueError, csv.Error) as error:
            raise self._error(path, f"cannot be read: {error}") from error
        if missing := [name for name in wanted if name not in table]:
            raise self._error(path, f"no column {', '.join(missing)}; its columns are {', '.join(table) or 'none'}")
        if not table[wanted[0]]:
            raise self._error(path, "no rows")
        return table

    def _texts(self, path: Path, name: str, values: list[Any]) -> Iterator[str]:
        for number, value in enumerate(values, 1):
            if not isinstance(value, str):
                raise self._error(path, f"row {number}: {name} = {value!r} is not a text")
            yield value

    def _labels(self, path: Path, name: str, values: list[Any], label_names: Sequence[str]) -> Iterator[int]:
        numbers = {label: number for number, label in enumerate(label_names)}
        known: dict[Any, int] = numbers | {str(n): n for n in numbers.values()} | {n: n for n in numbers.values()}
        for number, value in enumerate(values, 1):
            if type(value) not in (int, str) or value not in known:
                allowed = ", ".join(f"{n} ({label})" for label, n in numbers.items())
                raise self._error(path, f"row {number}: {name} = {value!r} is none of {allowed}")
            yield known[value]

    def _error(self, path: Path, problem: str) -> ConfigError:
        return ConfigError(f'{self.key} = "{self.path}": {path.name}: {problem}')


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths)
