"""The run-config of `florg run`: pyproject's defaults, overlaid by files of conf/ in order, then by --set."""

import json
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import florg_app
from florg_app.config.flat import FlatConfig, FlatValue, method_of

RunConfig = dict[str, bool | int | float | str]
"""Flat dotted keys, as in Flower's `context.run_config`."""

PATHS = ("task.path", "task.client-files", "task.cache", "model.name", "adapter.start-from", "resume-from")
"""Settings that may be paths; a run has a working directory of its own, so relative ones are made absolute."""


NOT_UTF_8 = "its text is not in UTF-8; save it in that encoding"


def find_app(start: Path) -> Path:
    """The folder of the Flower app: `start` or its nearest parent, else the one this package is installed from.

    Raises ValueError where neither has a pyproject.toml with [tool.flwr.app].
    """
    installed = Path(florg_app.__file__).resolve().parents[1]
    for folder in (start.resolve(), *start.resolve().parents, installed):
        if app_table(folder) is not None:
            return folder
    raise ValueError(
        f"no pyproject.toml with [tool.flwr.app] in {start.resolve()} or above it; give the folder with --app"
    )


def app_table(folder: Path) -> dict[str, Any] | None:
    """[tool.flwr.app] of a folder's pyproject.toml; None where there is none. Raises ValueError where it is no TOML."""
    file = folder / "pyproject.toml"
    if not file.is_file():
        return None
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is no TOML: {NOT_UTF_8} ({error})") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file} is no TOML: {error}; mend it, or give the folder of the app with --app") from error
    return tables.get("tool", {}).get("flwr", {}).get("app")


def gather_run_config(app: Path, files: Iterable[Path], assignments: Iterable[str]) -> tuple[RunConfig, RunConfig]:
    """(every setting, those that differ from pyproject.toml or were named) of a run, neither checked nor complete.

    Where a file or the assignments name a method, what earlier files set for others is left out. `assignments` are
    "key=value" with a TOML value; a text needs no quotes. Raises ValueError.
    """
    defaults = flatten_tables((app_table(app) or {}).get("config", {}))
    overrides: RunConfig = {}
    for file in files:
        overrides = overlay(overrides, _flat(f"--config {file}", flatten_tables(_read(file))), defaults)
    overrides = overlay(overrides, _flat("--set", _assigned(assignments, defaults)), defaults)
    return defaults | overrides, overrides


def absolute_paths(config: Mapping[str, Any], folder: Path) -> RunConfig:
    """Those settings of PATHS that name something that exists relative to `folder`, made absolute."""
    candidates = {key: str(config.get(key, "")) for key in PATHS}
    # A name without a slash is a model of the hub or the embedded one, also where a folder happens to have that name.
    return {
        key: str((folder / text).resolve())
        for key, text in candidates.items()
        if "/" in text and (folder / text).exists()
    }


def write_run_config(path: Path, config: RunConfig) -> None:
    """Write a run-config as TOML, one dotted key per line."""
    # A JSON scalar is a TOML scalar, once characters beyond the basic plane are not written as surrogate pairs.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in config.items()]
    path.write_text("".join(lines), encoding="utf-8")


def flatten_tables(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables to dotted keys, values as they are."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= flatten_tables(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _assigned(assignments: Iterable[str], defaults: RunConfig) -> RunConfig:
    assigned: RunConfig = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ValueError(f"--set {assignment}: expected key=value, such as --set train.learning-rate=0.001")
        assigned[key.strip()] = _value(text.strip(), defaults.get(key.strip()))
    return assigned


def _flat(where: str, values: Mapping[str, Any]) -> RunConfig:
    """The values, of which Flower's configuration has four kinds. Raises ValueError for others, such as lists."""
    for key, value in values.items():
        if not isinstance(value, bool | int | float | str):
            listed = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            raise ValueError(
                f"{where}: {key} = {value}: expected a number, a text, true or false; where a list or a date is meant "
                f'write it as one text: {key} = "{listed}"'
            )
    return dict(values)


def _value(text: str, default: Any) -> Any:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a text without quotes; where a number is wanted the check of the settings says so
    return text if isinstance(default, str) and not isinstance(value, str) else value


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"--config {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"--config {file} is no TOML: {NOT_UTF_8} ({error})") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"--config {file} is no TOML: {error}") from error


def overlay(lower: FlatConfig, upper: FlatConfig, known: Collection[str]) -> dict[str, FlatValue]:
    """`upper` over `lower`; where `upper` names a method, what `lower` sets of the `known` keys of others is left out.

    So a file made for one method serves the others with --set strategy.name=…, while settings of another method beside
    the name, or above it, stay and are refused by `parse`, as are misspelt ones.
    """
    name = upper.get("strategy.name")
    foreign = {key for key in lower if name is not None and key in known and method_of(key) not in (None, name)}
    return {key: value for key, value in lower.items() if key not in foreign} | dict(upper)
