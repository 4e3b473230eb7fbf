"""Flower's run-config to checked settings and back; every error names its key, its value and what is allowed."""

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast, get_type_hints

from pydantic import ValidationError, create_model

from florg_app.config.flat import FlatConfig, FlatValue, describe_type, method_of, to_flat, to_toml
from florg_app.config.section import Section, kebab
from florg_app.config.settings import Settings
from florg_app.config.strategy_settings import StrategySettings
from strategies import METHODS
from strategies.method import Method


class ConfigError(ValueError):
    """Settings that cannot be used; one argument per problem.

    >>> print(ConfigError("adapter.rank = 0: expected 1 or more", "seed: no such setting"))
    2 settings cannot be used:
      - adapter.rank = 0: expected 1 or more
      - seed: no such setting
    """

    def __str__(self) -> str:
        if len(self.args) == 1:
            return self.args[0]
        return f"{len(self.args)} settings cannot be used:\n" + "\n".join(f"  - {problem}" for problem in self.args)


def parse_settings(run_config: FlatConfig) -> Settings:
    """Read settings.

    Args:
        run_config: values by dotted kebab-case keys, as Flower hands them on; absent keys take their defaults.

    Raises:
        ConfigError: with all problems at once: unknown keys, wrong types, values out of range, settings of a method
            that is not the chosen one. Combinations of settings are checked once every single value is right.

    Example:
        >>> parse_settings({"strategy.name": "fedit", "adapter.rank": 8}).adapter.rank
        8
        >>> parse_settings({"adapter.rank": 0})
        Traceback (most recent call last):
        florg_app.config.parse.ConfigError: adapter.rank = 0: expected a whole number >= 1
    """
    catalogue = _catalogue()
    problems = [unknown_name(key, catalogue) for key in run_config if key not in catalogue]
    given = {key: value for key, value in run_config.items() if key in catalogue}
    inputs = _nested({key: value for key, value in given.items() if method_of(key) is None})
    name = given.get("strategy.name", StrategySettings().name)
    if isinstance(name, str) and name in METHODS:
        problems += _foreign(given, name)
        try:
            inputs["method"] = _method(name, given)
        except ValidationError as error:
            problems += _problems(error, given, f"strategy.{name}.")
        except ValueError as error:
            problems.append(str(error))  # of settings that do not go together; the method names their keys
    try:
        settings = Settings.model_validate(inputs)
    except ValidationError as error:
        raise ConfigError(*problems, *_problems(error, given)) from None
    if problems:
        raise ConfigError(*problems)
    return settings


def flatten_settings(settings: Settings) -> dict[str, FlatValue]:
    """The run-config of these settings, without the keys of other methods; `parse` inverts it."""
    return {key: to_flat(hint, value) for key, hint, value in _walk(settings)}


def default_settings() -> dict[str, FlatValue]:
    """Every key there is, those of all methods included, with its default."""
    return {key: default for key, (_, default) in _catalogue().items()}


def unknown_name(name: str, known: Mapping[str, object]) -> str:
    """The message about a key that does not exist, with the most similar ones, or its neighbours, that do."""
    close = difflib.get_close_matches(name.replace("_", "-"), known, n=3)
    if close:
        return f"{name}: no such setting; did you mean {' or '.join(close)}?"
    section = name.rpartition(".")[0]
    neighbours = [key for key in known if section and key.rpartition(".")[0] == section]
    return f"{name}: no such setting; there are {', '.join(neighbours or sorted({k.split('.')[0] for k in known}))}"


def _walk(node: Section | Method, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(key, type, value) of every setting of a section or method."""
    hints = get_type_hints(type(node), include_extras=True)
    for name in type(node).model_fields if isinstance(node, Section) else _options(type(node)):
        value = getattr(node, name)
        if isinstance(value, Section):
            yield from _walk(value, f"{prefix}{kebab(name)}.")
        elif isinstance(value, Method):
            yield from _walk(value, f"strategy.{value.name}.")
        else:
            yield prefix + kebab(name), hints[name], value


@cache
def _catalogue() -> dict[str, tuple[Any, FlatValue]]:
    """Type and default of every key."""
    default = METHODS[StrategySettings().name]()
    found = list(_walk(Settings(method=default)))
    for name, cls in METHODS.items():
        if name != default.name:
            found += _walk(cls(), f"strategy.{name}.")
    return {key: (hint, to_flat(hint, value)) for key, hint, value in found}


def _options(cls: type[Method]) -> dict[str, Any]:
    """The fields of a method and their defaults."""
    return {field.name: field.default for field in dataclasses.fields(cast(Any, cls))}


def _method(name: str, given: FlatConfig) -> Method:
    """The chosen method with its own settings, checked as strictly as a section."""
    own = {key.rpartition(".")[2]: value for key, value in given.items() if method_of(key) == name}
    return METHODS[name](**dict(_method_section(METHODS[name]).model_validate(own)))


@cache
def _method_section(cls: type[Method]) -> type[Section]:
    """A method's own settings as a section, whose model is made once."""
    hints = get_type_hints(cls, include_extras=True)
    fields: dict[str, Any] = {field: (hints[field], default) for field, default in _options(cls).items()}
    return create_model(cls.__name__, __base__=Section, **fields)


def _foreign(given: FlatConfig, name: str) -> list[str]:
    """Problems: settings of methods other than `name` that were changed and would do nothing."""
    return [
        f'{key} = {to_toml(value)} belongs to method {method_of(key)}, but strategy.name = "{name}"; '
        f'remove it, or set strategy.name = "{method_of(key)}"'
        for key, value in given.items()
        if method_of(key) not in (None, name) and value != _catalogue()[key][1]
    ]


def _nested(flat: FlatConfig) -> dict[str, Any]:
    """Keys without a dot stay; the others go into one table per section."""
    tables: dict[str, Any] = {}
    for key, value in flat.items():
        section, _, name = key.rpartition(".")
        (tables.setdefault(section, {}) if section else tables)[name] = value
    return tables


def _problems(error: ValidationError, given: FlatConfig, prefix: str = "") -> list[str]:
    """pydantic's errors in our words."""
    messages = []
    for problem in error.errors():
        path = prefix + ".".join(map(str, problem["loc"]))
        key = next((key for key in given if f"{path}.".startswith(f"{key}.")), None)
        if key is not None:
            messages.append(_refusal(key, given[key]))
        elif path != "method":  # reported by its own settings, or by strategy.name
            messages.append(problem["msg"].removeprefix("Value error, "))
    return messages


def _refusal(key: str, value: object) -> str:
    return f"{key} = {to_toml(value)}: expected {describe_type(_catalogue()[key][0])}"
