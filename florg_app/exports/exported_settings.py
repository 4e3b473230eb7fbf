"""The settings that go with an exported folder: what its model is to be asked, and in which form."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from florg_app.config.flat import listed_names, to_toml
from florg_app.config.parse import flatten_settings, parse_settings
from florg_app.config.runconfig import flatten_tables
from florg_app.config.settings import Settings
from florg_app.tasks.registry import TASKS

EXPORT_SETTINGS = "florg.toml"
"""The file of an exported folder that has them."""

MACHINE_PLACES = ("output-dir", "resume-from", "task.path", "task.client-files", "task.cache", "adapter.start-from")
"""Settings that say where things lie on one machine."""

_SECTIONS = ("seed", "model.", "task.", "evaluate.batch-size", "train.precision")
"""Beginnings of the keys that say how a model is asked; nothing of how it was trained."""

_ASKED_AS = {"brain-mri": "images"}
"""By task: another one whose questions are the same, and which needs no files of rows to be made."""


def write_export_settings(folder: Path, settings: Settings, label_names: Sequence[str]) -> None:
    """Write EXPORT_SETTINGS. Classes that were found in rows for training are named: those stay where they are."""
    task = settings.task.model_copy(update={"hub": None, "name": _ASKED_AS.get(settings.task.name, settings.task.name)})
    settings = settings.model_copy(update={"task": task})
    kept = {key: value for key, value in flatten_settings(settings).items() if key.startswith(_SECTIONS)}
    kept = {key: value for key, value in kept.items() if key not in MACHINE_PLACES}
    if "labels" in TASKS[settings.task.name].settings:
        kept["task.labels"] = listed_names(label_names)
    lines = ["# What this model is asked, and in which form: for `florg predict` and `florg chat`."]
    lines += [f"{key} = {to_toml(value)}" for key, value in kept.items()]
    (folder / EXPORT_SETTINGS).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_export_settings(folder: Path) -> Settings:
    """The settings of an exported folder. Raises ValueError naming the file, where there is none or it is unusable."""
    path = folder / EXPORT_SETTINGS
    try:
        return parse_settings(flatten_tables(tomllib.loads(path.read_text(encoding="utf-8"))))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
