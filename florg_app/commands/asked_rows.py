"""The rows that somebody asks a model about: words of the command line, a file of rows, or lines of a stream."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from florg_app.config.flat import listed_names
from florg_app.tasks.files.finding import endings_in_words, kind_of
from florg_app.tasks.files.reading import READERS, read_file
from florg_app.tasks.files.wording import DataError

STREAM = "-"
"""The word that stands for the lines of the standard input."""


def asked_rows(words: Sequence[str], columns: Sequence[str], stream: TextIO) -> list[dict[str, Any]]:
    """The rows that are meant by the words behind a command.

    One word with an ending of rows is a file, and read; no word, or STREAM, is the stream, each line a text or a
    JSON object; other words are the cells of rows, one after the other, as many in a row as there are columns.

    Raises ValueError saying what is wrong, where the words make no whole rows or a file cannot be read.
    """
    if not words or list(words) == [STREAM]:
        rows = [_of_line(number, line, columns) for number, line in enumerate(stream, 1) if line.strip()]
    elif len(words) == 1 and (kind := kind_of(Path(words[0]), READERS)):
        rows = _of_file(Path(words[0]), kind)
    elif len(words) % len(columns):
        raise ValueError(
            f"{len(words)} texts, but a row has {len(columns)}: {listed_names(columns)}; give them in this order, one "
            f"after the other, or a file ({endings_in_words(READERS)})"
        )
    else:
        cells = [words[start : start + len(columns)] for start in range(0, len(words), len(columns))]
        rows = [dict(zip(columns, row, strict=True)) for row in cells]
    if not rows:
        raise ValueError(f"no rows; give texts, a file ({endings_in_words(READERS)}), or lines on the standard input")
    return rows


def _of_line(number: int, line: str, columns: Sequence[str]) -> dict[str, Any]:
    text = line.rstrip("\r\n")
    if text.lstrip().startswith("{"):
        try:
            row = json.loads(text)
        except ValueError as error:
            raise ValueError(f"line {number}: begins as JSON and is none: {error}") from error
        assert isinstance(row, dict)
        return row
    if len(columns) > 1:
        raise ValueError(f"line {number}: a row has {listed_names(columns)}; write it as a JSON object of these")
    return {columns[0]: text}


def _of_file(path: Path, kind: str) -> list[dict[str, Any]]:
    try:
        table = read_file(path, kind, READERS)
        cells = {name: table.column(name) for name in table.names}
    except DataError as error:
        raise ValueError(f"{path}: {error}") from error
    if table.broken:
        row, problem = next(iter(table.broken.items()))
        raise ValueError(f"{path}: row {row + 1}: {problem}; correct it")
    return [{name: column[row] for name, column in cells.items()} for row in range(table.num_rows)]
