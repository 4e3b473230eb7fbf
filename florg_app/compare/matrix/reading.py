"""A matrix from its TOML file, and what is wrong with one in words."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from florg_app.compare.matrix.matrix import NO_VARIANT, RESERVED, Matrix, MatrixError, NumberSpan, Tune, Variant
from florg_app.config.runconfig import flatten_tables


def read_matrix(path: Path) -> Matrix:
    """The matrix of a TOML file. Raises MatrixError with all that is wrong with it."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MatrixError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MatrixError(f"{path} is no TOML: {error}") from error
    try:
        return parse_matrix(document)
    except MatrixError as error:
        raise MatrixError(*(f"{path}: {problem}" for problem in error.args)) from None


def parse_matrix(document: Mapping[str, Any]) -> Matrix:
    """The matrix of a TOML document. Raises MatrixError."""
    given = dict(document)
    given["settings"] = _flat(given.get("settings", {}))
    if isinstance(methods := given.get("method", {}), Mapping):
        given["method"] = {label: _flat(table) for label, table in methods.items()}
        given.setdefault("methods", list(methods))
    variants = given.get("variant", [{"name": NO_VARIANT}])
    if isinstance(variants, list):
        given["variant"] = [_variant(table) if isinstance(table, Mapping) else table for table in variants]
    if isinstance(tune := given.get("tune"), Mapping):
        given["tune"] = {**tune, "grid": _flat(tune.get("grid", {})), "space": _space(tune.get("space", {}))}
    try:
        matrix = Matrix.model_validate(given)
    except ValidationError as error:
        raise MatrixError(*_problems(error.errors())) from None
    if problems := list(_reserved(matrix)):
        raise MatrixError(*problems)
    return matrix


def _variant(table: Mapping[str, Any]) -> dict[str, Any]:
    """Its own keys, and all others as settings."""
    own = [key for key in Variant.model_fields if key != "settings"]
    settings = {key: value for key, value in table.items() if key not in own}
    return {**{key: table[key] for key in own if key in table}, "settings": _flat(settings)}


def _reserved(matrix: Matrix) -> Iterable[str]:
    """Settings in the wrong place."""
    tables = {"[settings]": matrix.settings}
    tables |= {f'[[variant]] "{variant.name}"': variant.settings for variant in matrix.variant}
    if matrix.tune:
        tables |= {"[tune.grid]": dict.fromkeys(matrix.tune.grid, 0)}
        tables |= {"[tune.space]": dict.fromkeys(matrix.tune.space, 0)}
    for where, settings in {**tables, **{f"[method.{label}]": own for label, own in matrix.method.items()}}.items():
        yield from (f"{where} {key}: {why}; remove it" for key, why in RESERVED.items() if key in settings)
    for where, settings in tables.items():
        if "strategy.name" in settings:
            yield f"{where} strategy.name: methods names them; give a label its own with [method.LABEL]"
    for label, own in matrix.method.items():
        for variant in matrix.variant:
            if both := sorted(own.keys() & variant.settings.keys()):
                yield f'[method.{label}] and [[variant]] "{variant.name}" both have {", ".join(both)}; leave one'


def _space(table: Any, above: str = "") -> Any:
    """Settings by their dotted keys; a table of low and high is a value and no part of a key."""
    if not isinstance(table, Mapping):
        return table
    found: dict[str, Any] = {}
    for name, value in table.items():
        key = f"{above}{name}"
        nested = isinstance(value, Mapping) and not value.keys() & NumberSpan.model_fields.keys()
        found |= _space(value, f"{key}.") if nested else {key: value}
    return found


def _flat(table: Any) -> Any:
    return flatten_tables(table) if isinstance(table, Mapping) else table


_TABLES: dict[str, type[BaseModel]] = {"": Matrix, "variant": Variant, "tune": Tune}


def _problems(errors: Sequence[Any]) -> list[str]:
    places = [error["loc"] for error in errors]
    # What is wrong inside a list makes pydantic call the list too short as well.
    inside = {place[:length] for place in places for length in range(1, len(place))}
    return [_problem(error) for error in errors if error["type"] != "too_short" or error["loc"] not in inside]


def _problem(error: Any) -> str:
    """One of pydantic's errors in our words."""
    place = [str(part) for part in error["loc"]]
    key = ".".join(place)
    if error["type"] == "extra_forbidden":
        allowed = list(_TABLES[place[0] if len(place) > 1 else ""].model_fields)
        return f"{key}: no such key; there are {', '.join(allowed)}"
    if error["type"] == "missing":
        return f"{key} is missing"
    words = error["msg"].removeprefix("Value error, ")
    return f"{key} = {error['input']!r}: {words}" if key else words
