"""What the cells of a row must be: checks that give the value, or raise ValueError in words that follow the cell."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import ClassLabel, Value
from datasets import Features as Columns

from florg_app.tasks.files.row_error import DataError

Check = Callable[[Any], Any]
"""Cell -> value. ValueError: what is wrong with the cell, in words that can follow "column = value" and do not quote
the value, since they may leave the client that a private file is on; a DataError may quote it in its other wording."""


def _always_right(_: Mapping[str, Any]) -> None:
    pass


@dataclass(frozen=True)
class Layout:
    """The columns that a task reads, and what must be in them."""

    checks: Mapping[str, Check]
    types: Columns
    """Of the values that the checks give, in the same order."""
    check_row: Callable[[Mapping[str, Any]], None] = _always_right
    """Raises ValueError where values that are right by themselves do not go together; a DataError says it in public."""

    def row(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """The checked values of a row. Raises ValueError naming the column and its value, the latter not in public."""
        values = {}
        for name, check in self.checks.items():
            try:
                values[name] = check(cells[name])
            except ValueError as error:
                words = error.public if isinstance(error, DataError) else error
                raise DataError(f"{name} = {_short(cells[name])} {error}", f"{name} {words}") from None
        self.check_row(values)
        return values

    def plus(self, name: str, check: Check, kind: Value) -> "Layout":
        """With one more column, unless it is read already."""
        if name in self.checks:
            return self
        return Layout({**self.checks, name: check}, Columns({**self.types, name: kind}), self.check_row)


def check_text(value: Any) -> str:
    """A text with at least one character that is not white."""
    if not isinstance(value, str):
        raise ValueError("is not a text")
    if not value.strip():
        raise ValueError("is empty")
    return value


def check_number(value: Any) -> float:
    """A finite number, also one written as text."""
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError("is not a number")
    return found


def check_class_number(names: Sequence[str]) -> Check:
    """The number of a class, given by number or by name."""
    numbers: dict[Any, int] = {name: number for number, name in enumerate(names)}
    known = numbers | {str(n): n for n in numbers.values()} | {n: n for n in numbers.values()}
    allowed = ", ".join(f"{n} ({name})" for name, n in numbers.items())

    def check(value: Any) -> int:
        if type(value) not in (int, str) or value not in known:
            raise ValueError(f"is none of {allowed}")
        return known[value]

    return check


def check_class_name(value: Any) -> str:
    """The name of a class or client in a user's own data: a text, a whole number or a truth value, as JSON has them."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int):
        raise ValueError("is neither a text nor a whole number, and so no name")
    return check_text(str(value).strip())


def check_own_class(names: Sequence[str]) -> Check:
    """The number of a class given by its name alone: a class named "2" need not be number 2."""
    numbers = {name: n for n, name in enumerate(names)}

    def check(value: Any) -> int:
        name = check_class_name(value)
        if name not in numbers:
            raise ValueError(
                f"is none of the known classes {', '.join(names)}; if it is one, all clients must know it: add it to "
                f"task.labels on the server"
            )
        return numbers[name]

    return check


def text_layout(text_columns: Sequence[str], label_column: str, label: Check, label_type: Value | ClassLabel) -> Layout:
    """Texts and one label."""
    types: dict[str, Any] = {**dict.fromkeys(text_columns, Value("string")), label_column: label_type}
    return Layout({**dict.fromkeys(text_columns, check_text), label_column: label}, Columns(types))


def _short(value: Any) -> str:
    """The value in Python, cut where it is long."""
    words = repr(value)
    return words if len(words) <= 80 else f"{words[:77]}..."
