"""Files of rows as columns, by their ending; what cannot be read is said, row by row where only rows are broken."""

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyarrow import parquet

from florg_app.tasks.files.row_error import DataError


@dataclass(frozen=True)
class FileColumns:
    """The rows of a file as they are in it, not yet checked."""

    columns: dict[str, list[Any]]
    """All of the same length."""
    broken: Mapping[int, str] = field(default_factory=dict)
    """What is wrong with rows that could not be read, by number from 0; their cells are None."""

    @property
    def num_rows(self) -> int:
        return max((len(column) for column in self.columns.values()), default=len(self.broken))


SIGNATURES: Mapping[bytes, str] = {
    b"PAR1": "a parquet file",
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\x1f\x8b": "gzip-compressed",
    b"SQLite format 3": "an SQLite database",
}
"""What files begin with, whatever their ending says."""


def read_file(path: Path, read: Callable[[Path], FileColumns]) -> FileColumns:
    """The table of a file. Raises DataError, saying why, where it cannot be read or is not what its ending says."""
    try:
        start = b"" if path.is_dir() else _first_bytes(path)
        found = next((what for signature, what in SIGNATURES.items() if start.startswith(signature)), None)
        if found is not None and (found, path.suffix) != (SIGNATURES[b"PAR1"], ".parquet"):
            raise DataError(f"is {found}, whatever its ending says; rename or convert it")
        return read(path)
    except UnicodeDecodeError as error:
        raise DataError(f"cannot be read: it is not UTF-8 text ({error.reason} at byte {error.start})") from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", f"cannot be read: {error.strerror}") from error
    except csv.Error as error:
        raise DataError(f"cannot be read: {error}", "cannot be read: its quoting is broken") from error


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


def _parquet(path: Path) -> FileColumns:
    try:
        return FileColumns(parquet.read_table(path).to_pydict())
    except ValueError as error:
        raise DataError(f"cannot be read as parquet: {error}", "cannot be read as parquet") from error


def _csv(path: Path) -> FileColumns:
    return _delimited(path, {"\t": "tabs (.tsv)", ";": "semicolons"}, delimiter=",", strict=True)


def _tsv(path: Path) -> FileColumns:
    # As GLUE publishes it: quotation marks are text, not quoting, and often unbalanced.
    return _delimited(path, {",": "commas (.csv)", ";": "semicolons"}, delimiter="\t", quoting=csv.QUOTE_NONE)


def _delimited(path: Path, other_delimiters: Mapping[str, str], **dialect: Any) -> FileColumns:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, **dialect)
        names = next(reader, [])
        rows = [row for row in reader if row]
    if len(names) == 1 and names[0].lstrip().startswith(("{", "[")):
        raise DataError("is JSON, not a table; name it .jsonl if each line is an object")
    for delimiter, words in other_delimiters.items():
        if len(names) == 1 and delimiter in names[0]:
            seems = f"it seems to be separated by {words}"
            raise DataError(f"has one column only, {names[0]!r}; {seems}", f"has one column only; {seems}")
    broken = {
        number: f"has {len(row)} fields, the header has {len(names)}"
        for number, row in enumerate(rows)
        if len(row) != len(names)
    }
    cells = [[None] * len(names) if number in broken else row for number, row in enumerate(rows)]
    return FileColumns({name: [row[index] for row in cells] for index, name in enumerate(names)}, broken)


def _jsonl(path: Path) -> FileColumns:
    with path.open(encoding="utf-8-sig") as file:
        lines = [(number, line) for number, line in enumerate(file, 1) if line.strip()]
    if lines and lines[0][1].lstrip().startswith("["):
        raise DataError("is a JSON list, not one object per line (line 1 is not a JSON object)")
    rows: list[dict[str, Any]] = []
    broken: dict[int, str] = {}
    for index, (number, line) in enumerate(lines):
        try:
            rows.append(_json_object(line))
        except ValueError as error:
            rows.append({})
            broken[index] = f"(line {number}) {error}"
    names = dict.fromkeys(key for row in rows for key in row)
    return FileColumns({name: [row.get(name) for row in rows] for name in names}, broken)


def _json_object(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON ({error.msg}, column {error.colno})") from None
    if not isinstance(row, dict):
        raise ValueError("is not a JSON object")
    return row


READERS: Mapping[str, Callable[[Path], FileColumns]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
}
"""By the ending of the file."""
