"""TASKS: one line per task or family of tasks."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from florg_app.config import ConfigError
from florg_app.settings import Settings
from florg_app.tasks import glue, tiny_task
from florg_app.tasks.base import Task
from florg_app.tasks.local import LocalFolder

TASKS: dict[str, Callable[[Settings, LocalFolder | None], Task]] = {
    "tiny": tiny_task.make,
    **{f"glue/{name}": partial(glue.make, name) for name in glue.TABLE},
}


def make_task(settings: Settings, data_path: Path | None = None) -> Task:
    """The task `settings.task.name`; no data are read before `rows` is called.

    `data_path` is the folder of a SuperNode's own data (its node config) and goes before `settings.task.path`.
    Raises ConfigError where there is no such task.
    """
    name, path = settings.task.name, settings.task.path
    if name not in TASKS:
        raise ConfigError(f'task.name = "{name}": expected {" | ".join(TASKS)}')
    if data_path is not None:
        return TASKS[name](settings, LocalFolder(data_path, "data-path"))
    return TASKS[name](settings, None if path is None else LocalFolder(path, "task.path"))
