"""JSON: one object per line, one list of objects, an object with one list, or an object of columns."""

import io
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from florg_app.tasks.files.canonical import stripped
from florg_app.tasks.files.table import FileTable, table_of
from florg_app.tasks.files.text_file import FileText, read_text
from florg_app.tasks.files.wording import BadCell, DataError, columns_named

_stripped = cache(stripped)


def read_jsonl(path: Path) -> FileTable:
    """One object per line."""
    file = read_text(path)
    if file.text.lstrip().startswith("["):
        raise DataError(
            "is a JSON list, not one object per line (line 1 is not a JSON object); name it .json if it is one list"
        )
    return _of_lines(file)


def read_json(path: Path) -> FileTable:
    """A list of objects, an object with one such list, or of columns; objects by line are read too."""
    file = read_text(path)
    document = parse_document(file)
    if document is None:
        return _of_lines(file)
    if isinstance(document, list):
        return _of_objects(document)
    if not isinstance(document, dict):
        raise DataError("is JSON of a single value; expected a list of objects, one for each row")
    if columns := _columns(document):
        return table_of({_stripped(name): values for name, values in columns.items()})
    if doubled := [name for name, value in document.items() if isinstance(value, BadCell)]:
        raise DataError(f"{columns_named(doubled[:1])} {document[doubled[0]].problem}")
    lists = {name: value for name, value in document.items() if isinstance(value, list)}
    if len(lists) == 1:
        return _of_objects(next(iter(lists.values())))
    if lists:
        unclear = "and no telling which has the rows; leave one"
        raise DataError(
            f"is an object of several lists ({columns_named(list(lists))}), {unclear}",
            f"is an object of several lists, {unclear}",
        )
    raise DataError("is one JSON object without a list; expected a list of objects, one for each row")


def parse_document(file: FileText) -> Any:
    """The value of a whole file, None where its lines are objects of their own.

    Keys that an object has twice are a BadCell. Raises DataError where it is no JSON.
    """
    if problem := file.bad_byte(file.text):
        raise DataError(problem)
    try:
        return json.loads(file.text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and file.text.lstrip().startswith("{"):
            return None
        raise DataError(f"is not JSON ({error.msg}, line {error.lineno}, column {error.colno})") from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, brackets in thousands of others
        raise DataError(f"is JSON that cannot be read ({error})", "is JSON that cannot be read") from None


def parsed_or_same(cell: str) -> Any:
    """What a text says in JSON, or the text where it is none."""
    try:
        return json.loads(cell, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return cell


def _of_lines(file: FileText) -> FileTable:
    """Each line an object; others are broken rows."""
    # A carriage return is a line break as well: no JSON has one within its texts.
    lines = [(number, line) for number, line in enumerate(io.StringIO(file.text, newline=None), 1) if line.strip()]
    rows: list[Mapping[str, Any]] = []
    broken: dict[int, str] = {}
    for index, (number, line) in enumerate(lines):
        row = _line(file, line)
        if isinstance(row, str):
            broken[index] = f"(line {number}) {row}"
        rows.append({} if isinstance(row, str) else row)
    return _table(rows, broken)


def _of_objects(rows: Sequence[Any]) -> FileTable:
    """Each element an object; others are broken rows."""
    broken = {index: "is not a JSON object" for index, row in enumerate(rows) if not isinstance(row, dict)}
    return _table([{} if index in broken else row for index, row in enumerate(rows)], broken)


def _table(rows: Sequence[Mapping[str, Any]], broken: Mapping[int, str]) -> FileTable:
    rows = [{_stripped(key): value for key, value in row.items()} if _padded(row) else row for row in rows]
    names = dict.fromkeys(key for row in rows for key in row)
    return table_of({name: [row.get(name) for row in rows] for name in names}, broken)


def _line(file: FileText, line: str) -> dict[str, Any] | str:
    """The object of a line, or what is wrong with it, in words that quote nothing."""
    if problem := file.bad_byte(line):
        return problem
    try:
        row = json.loads(line.lstrip("\ufeff"), object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        return f"is not JSON ({error.msg}, column {error.colno})"
    except (ValueError, RecursionError):
        return "is JSON that cannot be read: a number of thousands of digits, or brackets within thousands of others"
    return row if isinstance(row, dict) else "is not a JSON object"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object, with a BadCell for a key that it has more than once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        for key in found:
            places = [str(place) for place, other in enumerate(keys, 1) if other == key]
            if len(places) > 1:
                found[key] = BadCell(
                    f"is there {len(places)} times (keys {' and '.join(places)} of its object), and no telling which "
                    f"is meant; remove all but one"
                )
    return found


def _padded(row: Mapping[str, Any]) -> bool:
    return any(_stripped(key) != key for key in row)


def _columns(document: Any) -> dict[str, list[Any]] | None:
    """The columns of an object of lists of one length, none of them objects, or as pandas writes it, of objects."""
    if not isinstance(document, dict) or not document:
        return None
    values = list(document.values())
    if all(isinstance(value, dict) and value.keys() == values[0].keys() for value in values):
        return {name: list(value.values()) for name, value in document.items()}
    plain = all(isinstance(value, list) and not _of_rows(value) for value in values)
    return document if plain and len({len(value) for value in values}) == 1 else None


def _of_rows(values: list[Any]) -> bool:
    """Whether a list looks like the rows themselves."""
    return any(isinstance(value, dict) for value in values)
