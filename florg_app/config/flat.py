"""Flower's flat run-config values (bool, int, float, str) as Python types and back, and what each may be, in words.

Flower's configuration has neither None nor lists, so that "unset" is a value of its own and a list is one string.
"""

import csv
import json
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

FlatValue = bool | int | float | str
FlatConfig = Mapping[str, FlatValue]
"""Dotted kebab-case keys to values, as in `context.run_config`."""


@dataclass(frozen=True)
class Unset:
    """Marks a type whose None is written as `value` in the run-config."""

    value: int | float | str
    means: str
    """What None stands for, in words."""

    def read(self, value: object) -> object:
        return None if type(value) in (type(self.value), int) and value == self.value else value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))


@dataclass(frozen=True)
class CommaSeparated:
    """Marks a tuple of names or numbers that is written as one string, quoted as in CSV where a name has a comma."""

    def read(self, value: object) -> object:
        """The names without white space around them. Raises ValueError where the quotation is broken."""
        return split_names(value) if isinstance(value, str) else value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))


def split_names(text: str) -> tuple[str, ...]:
    """The names of a comma-separated list; `"arts, music",news` are two. Raises ValueError for a broken quotation."""
    if not text.strip():
        return ()
    names = text.split(",") if '"' not in text else _csv_row(text.strip())
    return tuple(name.strip() for name in names)


def _csv_row(text: str) -> list[str]:
    try:
        (names,) = csv.reader([text], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        raise ValueError(f"its quotation marks are not those of CSV ({error})") from None
    return names


def listed_names(names: Sequence[str], separator: str = ", ") -> str:
    """The names as such a list; `split_names` inverts it."""
    return separator.join(_quoted(name) for name in names)


def _quoted(name: str) -> str:
    """The name as in CSV: in quotation marks where it could be taken for several, or for another."""
    if name and name == name.strip() and not any(sign in name for sign in ',"\r\n'):
        return name
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class Words:
    """Marks a type with its own description, where none can be derived."""

    text: str


def to_flat(hint: Any, value: Any) -> FlatValue:
    """The run-config value of a typed one; inverse of the reading done by the markers."""
    if value is None:
        return next(marker.value for marker in _metadata(hint) if isinstance(marker, Unset))
    if isinstance(value, tuple):
        return listed_names([str(part) for part in value], ",")
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def describe_type(hint: Any) -> str:
    """What a value of this type may be, for error messages: "a number > 0 and <= 1", "adamw | sgd"."""
    metadata = tuple(_metadata(hint))
    for marker in metadata:
        if isinstance(marker, Words):
            return marker.text
    signs = {Gt: ">", Ge: ">=", Lt: "<", Le: "<="}
    bounds = [f"{signs[type(m)]} {getattr(m, type(m).__name__.lower())}" for m in metadata if type(m) in signs]
    text = " ".join(filter(None, [_noun(_bare(hint)), " and ".join(bounds)]))
    unset = [f", or {to_toml(m.value)} ({m.means})" for m in metadata if isinstance(m, Unset)]
    return text + "".join(unset)


def to_toml(value: object) -> str:
    """A value as it is written in TOML: true, 1, 0.5, "text"."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return repr(value)
    return f"'{value}'" if '"' in value and "'" not in value else json.dumps(value, ensure_ascii=False)


def _noun(bare: Any) -> str:
    if get_origin(bare) is Literal:
        return " | ".join(map(str, get_args(bare)))
    nouns = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}
    return nouns.get(bare, 'comma-separated names, in quotation marks as in CSV where one has a comma: "a, b",c')


def _bare(hint: Any) -> Any:
    """The type without markers and without "or None"."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = (arg for arg in get_args(hint) if arg is not type(None))
        return _bare(inner)
    return hint


def _metadata(hint: Any) -> Iterator[Any]:
    """All markers of a type, the innermost first; groups such as Interval taken apart."""
    if get_origin(hint) is Annotated:
        inner, *markers = get_args(hint)
        yield from _metadata(inner)
        for marker in markers:
            yield from marker if isinstance(marker, GroupedMetadata) else [marker]
    elif get_origin(hint) in (Union, types.UnionType):
        for arg in get_args(hint):
            yield from _metadata(arg)


def method_of(key: str) -> str | None:
    """florg for strategy.florg.basis; None for the keys of no particular method."""
    section, *path = key.split(".")
    return path[0] if section == "strategy" and len(path) == 2 else None
