"""TASKS: one line per task or family of tasks."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from florg_app.config.parse import ConfigError
from florg_app.config.section import kebab
from florg_app.config.settings import Settings
from florg_app.config.task_settings import TaskSettings
from florg_app.tasks.base import Task
from florg_app.tasks.files.folder import LocalFolder, bad_rows_of, local_folder
from florg_app.tasks.files.owner import Owner
from florg_app.tasks.files.wording import Wording
from florg_app.tasks.images import make as images
from florg_app.tasks.instruct import make as instruct
from florg_app.tasks.instruct.sources import SOURCES
from florg_app.tasks.squad.task import SQUAD_SETTINGS, make_squad
from florg_app.tasks.text import glue, own_text
from florg_app.tasks.tiny.task import make_tiny


@dataclass(frozen=True)
class TaskFamily:
    """How a task is made."""

    make: Callable[[Settings, LocalFolder | None], Task]
    """(settings, the folder of its files or None for the hub)"""
    settings: frozenset[str] = frozenset()
    """Fields of TaskSettings that only some tasks read, this one among them."""
    generates: bool = False
    """Whether it can have responses written, evaluate.generate-rows of them."""


EMBEDDED_TASK = "tiny"
"""The one whose rows the application brings itself."""

TASKS: dict[str, TaskFamily] = {
    EMBEDDED_TASK: TaskFamily(make_tiny),
    **{f"glue/{name}": TaskFamily(partial(glue.make_glue, name)) for name in glue.GLUE_TASKS},
    "squad": TaskFamily(make_squad, SQUAD_SETTINGS),
    **{
        name: TaskFamily(partial(own_text.make_own_text, name), own_text.OWN_TEXT_SETTINGS)
        for name in own_text.DEFAULT_COLUMNS
    },
    **{
        name: TaskFamily(partial(instruct.make_instruct, name), instruct.INSTRUCT_SETTINGS, generates=True)
        for name in SOURCES
    },
    "images": TaskFamily(images.make_images, images.IMAGE_SETTINGS),
    "brain-mri": TaskFamily(images.make_brain_mri, images.BRAIN_MRI_SETTINGS),
}


def make_task(settings: Settings, data_path: Path | None = None, validation_path: Path | None = None) -> Task:
    """Make the task that the settings name; no data are read before its rows are asked for, but to find class names.

    Args:
        settings: all of the run's.
        data_path: where a SuperNode's own rows are, of its node configuration; goes before task.path.
        validation_path: where its own validation rows are.

    Raises:
        ConfigError: there is no such task, or settings of another one are changed.
    """
    check_task(settings)
    family = TASKS[settings.task.name]
    if data_path is not None:
        return family.make(settings, _own(settings, data_path, validation_path))
    return family.make(settings, _shared(settings))


def check_task(settings: Settings) -> None:
    """Raise ConfigError where there is no such task, or settings of another one are changed; no file is looked at."""
    task = settings.task
    if task.name not in TASKS:
        close = difflib.get_close_matches(task.name, [*TASKS, *(name.rpartition("/")[2] for name in TASKS)], n=1)
        meant = next((name for name in TASKS if close and name.endswith(close[0])), "")
        hint = f'; did you mean "{meant}"?' if meant else "; choose one of these"
        raise ConfigError(f'task.name = "{task.name}": expected {" | ".join(TASKS)}{hint}')
    family = TASKS[task.name]
    if problems := _foreign(task, family.settings):
        raise ConfigError(*problems)
    if settings.evaluate.generate_rows != 0 and not family.generates:
        raise ConfigError(
            f"evaluate.generate-rows is read by {' | '.join(n for n, f in TASKS.items() if f.generates)}, but "
            f'task.name = "{task.name}"; remove it'
        )


def _own(settings: Settings, data_path: Path, validation_path: Path | None) -> LocalFolder:
    """The files of one client, which are not divided."""
    task = settings.task
    validation = None if validation_path is None else Wording("validation-path", validation_path, private=True)
    wording = Wording("data-path", data_path, private=True)
    return local_folder(wording, bad_rows_of(task), validation=validation)


def _shared(settings: Settings) -> LocalFolder | None:
    """Files that all processes can read; None: the task's rows come from elsewhere."""
    task, column = settings.task, settings.partition.column
    if task.client_files is not None:
        wording, validation = (
            Wording("task.client-files", task.client_files),
            task.path and Wording("task.path", task.path),
        )
        return local_folder(wording, bad_rows_of(task), Owner(by_file=True), validation or None)
    if task.path is None:
        return None
    return local_folder(Wording("task.path", task.path), bad_rows_of(task), Owner(column=column))


def _foreign(task: TaskSettings, own: frozenset[str]) -> list[str]:
    """Problems: settings of other tasks that were changed and would do nothing."""
    particular = frozenset().union(*(family.settings for family in TASKS.values()))
    return [
        f"task.{kebab(name)} is read by {' | '.join(n for n, f in TASKS.items() if name in f.settings)}, but "
        f'task.name = "{task.name}"; remove it'
        for name in sorted(particular - own)
        if getattr(task, name) != TaskSettings.model_fields[name].default
    ]
