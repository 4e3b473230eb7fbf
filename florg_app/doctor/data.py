"""Can the rows of the task be read, all of them, by those who need them?"""

import os
from pathlib import Path

from florg_app.config.parse import ConfigError
from florg_app.config.settings import Settings
from florg_app.doctor.finding import Finding
from florg_app.tasks.registry import make_task
from florg_app.tasks.split import Split


def needed_splits(settings: Settings, own: bool) -> tuple[Split, ...]:
    """What this machine reads: a client with its own data needs validation rows only to score itself on them."""
    scores_itself = settings.evaluate.on_clients and settings.evaluate.client_rows == "validation"
    scores_all = not own and settings.evaluate.rows == "validation"
    return ("train", "validation") if scores_all or scores_itself else ("train",)


def check_data(
    settings: Settings, data_path: Path | None, validation_path: Path | None, offline: bool
) -> list[Finding]:
    """Reads the rows of the task: from a client's own data, from the paths of the settings, or embedded ones.

    Rows of the hub are not fetched for this.
    """
    task = settings.task
    local = task.name == "tiny" or any(path is not None for path in (data_path, task.path, task.client_files))
    if not local and not offline:
        text = f"{settings.task.name} comes from the hub, or from its cache"
        return [Finding("ok", "data", text)]
    splits = ("train", "validation") if validation_path else needed_splits(settings, data_path is not None)
    return [_split(settings, data_path, validation_path, split) for split in splits]


def _split(settings: Settings, data_path: Path | None, validation_path: Path | None, split: Split) -> Finding:
    own = validation_path if split == "validation" and validation_path else data_path
    where = own or _shared(settings, split) or "what is on this machine"
    try:
        rows = make_task(settings, data_path, validation_path).rows(split)
    except ConfigError as error:
        blocked = isinstance(where, Path) and where.is_dir() and not os.access(where, os.R_OK | os.X_OK)
        remedy = "let this user read the folder" if blocked else "mend the file, or name another folder"
        return Finding("problem", "data", str(error), remedy)
    except PermissionError as error:
        return Finding("problem", "data", str(error), "let this user read the folder (in a container: user 10001)")
    return Finding("ok", "data", f"{len(rows)} rows for {split} from {where}")


def _shared(settings: Settings, split: Split) -> Path | None:
    return (split == "train" and settings.task.client_files) or settings.task.path
