"""CSV and TSV: rows that cannot be parsed are broken rows, and reading goes on behind them."""

import csv
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from florg_app.tasks.files.canonical import stripped
from florg_app.tasks.files.table import FileTable
from florg_app.tasks.files.text_file import read_text
from florg_app.tasks.files.wording import DataError

_UNENDED = "unexpected end of data"

_BROKEN: Mapping[str, str] = {
    "' expected after '": "has text behind the quotation mark that ends a cell; double quotation marks inside of cells",
    _UNENDED: "has a quotation mark that begins a cell and no other that ends it",
}
"""What csv says -> what that means, in words that quote nothing."""


def read_csv(path: Path) -> FileTable:
    """Cells separated by commas, quoted where they hold some."""
    return _table(path, "commas", {"\t": "tabs (.tsv)", ";": "semicolons", "|": "bars"}, delimiter=",", strict=True)


def read_tsv(path: Path) -> FileTable:
    """Cells separated by tabs, as GLUE publishes them: quotation marks are text, not quoting, and often unbalanced."""
    others = {",": "commas (.csv)", ";": "semicolons", "|": "bars"}
    return _table(path, "tabs", others, delimiter="\t", quoting=csv.QUOTE_NONE)


def _table(path: Path, own: str, other_delimiters: Mapping[str, str], **dialect: Any) -> FileTable:
    """own, other_delimiters: what separates cells, in words, and what does in files of other kinds."""
    file = read_text(path)
    lines = list(io.StringIO(file.text, newline=""))
    with _cells_of_any_size():
        parsed = iter(_parsed(lines, dialect))
        line, header = next(((line, row) for line, row in parsed if not _is_blank(row)), (1, []))
        if isinstance(header, str):
            raise DataError(f"line {line}, its header, {header}")
        names = tuple(stripped(name) for name in header)
        _check_header(names, other_delimiters, own)
        rows = [(line, row) for line, row in parsed if row and not (len(names) > 1 and _is_blank(row))]
    broken = {}
    for number, (line, row) in enumerate(rows):
        if problem := _problem(row, header):
            broken[number] = f"(line {line}) {problem}"
    kept: list[Sequence[Any]] = [[None] * len(names) if n in broken else row for n, (_, row) in enumerate(rows)]

    def cells(place: int) -> list[Any]:
        column = [row[place] for row in kept]
        return [cell and file.cell(cell) for cell in column] if file.escaped else column

    return FileTable(names, len(rows), cells, broken)


def _is_blank(row: list[str] | str) -> bool:
    """Whether a line has nothing in it, but for white space."""
    return not isinstance(row, str) and len(row) < 2 and not "".join(row).strip()


def _problem(row: list[str] | str, header: list[str]) -> str:
    if isinstance(row, str):
        return row
    if len(row) != len(header):
        return f"has {len(row)} fields, the header has {len(header)}"
    return "is the header once more; were files put together?" if row == header and len(header) > 1 else ""


def _check_header(names: Sequence[str], other_delimiters: Mapping[str, str], own: str) -> None:
    """Raise DataError where the file is not of this kind at all."""
    if len(names) == 1 and names[0].startswith(("{", "[")):
        raise DataError("is JSON, not a table; name it .jsonl if each line is an object, .json if all are one list")
    for delimiter, words in other_delimiters.items():
        if len(names) == 1 and delimiter in names[0]:
            seems = f"it seems to be separated by {words}; save it separated by {own}"
            raise DataError(f"has one column only, {names[0]!r}; {seems}", f"has one column only; {seems}")


def _parsed(lines: Sequence[str], dialect: Mapping[str, Any]) -> Iterator[tuple[int, list[str] | str]]:
    """The line, from 1, where each row begins, and its fields, or what is wrong with it."""
    begin = 0
    while begin < len(lines):
        reader = csv.reader(islice(lines, begin, None), **dialect)
        start = begin
        try:
            for row in reader:
                yield start + 1, row
                start = begin + reader.line_num
            return
        except csv.Error as error:
            said = str(error)
        yield start + 1, next((words for part, words in _BROKEN.items() if part in said), f"is no CSV ({said})")
        # A quotation mark that no other ends takes the lines behind it along, up to the next one or the end of the
        # file. They are rows again where each of them is a whole one; else they may be lines of one cell, and are
        # broken with it.
        end = begin + reader.line_num
        begin = start + 1 if _UNENDED in said or _are_rows(lines[start + 1 : end], lines[0], dialect) else end


def _are_rows(lines: Sequence[str], header: str, dialect: Mapping[str, Any]) -> bool:
    """Whether each line is a row by itself, of as many fields as the header, none of them with a quotation mark."""
    try:
        (names,) = csv.reader([header], **dialect)
        rows = list(csv.reader(lines, **dialect))
        return len(rows) == len(lines) and all(len(row) == len(names) and '"' not in "".join(row) for row in rows)
    except (csv.Error, ValueError):
        return False


@contextmanager
def _cells_of_any_size() -> Iterator[None]:
    """Without csv's limit on the length of a cell, which belongs to the process."""
    before = csv.field_size_limit()
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)
