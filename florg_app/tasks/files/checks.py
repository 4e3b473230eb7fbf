"""What the cells of a row must be: checks that give the value, or raise ValueError in words that follow the cell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import ClassLabel, Value
from datasets import Features as Columns

from florg_app.config.flat import listed_names
from florg_app.tasks.files.canonical import TRUTH, alias_of, read_name, read_number
from florg_app.tasks.files.wording import BadCell, DataError, public_words

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
    optional: frozenset[str] = frozenset()
    """Columns that a file may lack; their checks are then given None."""

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that a file must have."""
        return tuple(name for name in self.checks if name not in self.optional)

    def row(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """The checked values of a row. Raises ValueError naming the column and its value, the latter not in public."""
        values = {}
        for name, check in self.checks.items():
            cell = cells.get(name)
            if isinstance(cell, BadCell):
                raise DataError(f"{name} {cell.problem}")
            try:
                values[name] = check(cell)
            except ValueError as error:
                words = public_words(error) if isinstance(error, DataError) else str(error)
                raise DataError(f"{name} = {_short(cell)} {error}", f"{name} {words}") from None
        self.check_row(values)
        return values

    def plus(self, name: str, check: Check, kind: Value) -> "Layout":
        """With one more column, unless it is read already."""
        if name in self.checks:
            return self
        more = {**self.checks, name: check}, Columns({**self.types, name: kind})
        return Layout(*more, self.check_row, self.optional)


def check_text(value: Any) -> str:
    """A text with at least one character that is not white, all of them characters of Unicode."""
    if isinstance(value, BadCell):
        raise ValueError(value.problem)
    if not isinstance(value, str):
        raise ValueError("is not a text")
    if not value.strip():
        raise ValueError("is empty")
    return whole_characters(value)


def whole_characters(text: str) -> str:
    """The text. Raises ValueError where it holds half of a surrogate pair, which Arrow and tokenizers cannot take."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds half of a surrogate pair (half an emoji), which is no character; remove it") from None
    return text


def check_number(value: Any) -> float:
    """A finite number, also one written as text."""
    return read_number(value)


def check_class_number(names: Sequence[str]) -> Check:
    """The number of a class, given by number or by name; of two classes, also by a truth value."""
    numbers = {name: number for number, name in enumerate(names)}
    known = {str(number): number for number in numbers.values()} | {read_name(name): n for name, n in numbers.items()}
    allowed = ", ".join(f"{n} ({name})" for name, n in numbers.items())

    def check(value: Any) -> int:
        try:
            name = read_name(value)
        except ValueError:
            name = ""
        found = known.get(name, known.get(TRUTH.get(name, "")) if len(names) == 2 else None)
        if found is None:
            raise ValueError(f"is none of {allowed}")
        return found

    return check


def check_class_name(value: Any) -> str:
    """The name of a class or client in a user's own data: a text, a whole number or a truth value."""
    return check_text(read_name(value))


def check_own_class(names: Sequence[str]) -> Check:
    """The number of a class given by its name alone: a class named "2" need not be number 2."""
    numbers = {name: n for n, name in enumerate(names)}

    def check(value: Any) -> int:
        name = alias_of(check_class_name(value), names)
        if name not in numbers:
            raise ValueError(
                f"is none of the known classes {listed_names(names)}; if it is one, all clients must know it: add it "
                f"to task.labels on the server, in quotation marks where it has a comma"
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
