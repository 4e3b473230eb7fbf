"""The class names of a user's own data: given, or found in the training file, the same on all nodes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from florg_app.config.flat import listed_names, to_toml
from florg_app.config.parse import ConfigError
from florg_app.config.task_settings import TaskSettings
from florg_app.tasks.files.canonical import TRUTH, read_name
from florg_app.tasks.files.checks import check_class_name
from florg_app.tasks.files.folder import LocalFolder
from florg_app.tasks.files.wording import BadCell


def own_classes(task: TaskSettings, folder: LocalFolder | None, stems: Sequence[str] | None = None) -> tuple[str, ...]:
    """task.labels, or else the names in the label column of the training file, in alphabetical order, numbers by size.

    Every process reads that file, so that all find the same; private files are different on each client. `stems`: the
    names that the training file may have. Raises ConfigError where the names make no choice, or have to be found and
    cannot be.
    """
    if not task.labels:
        return _discovered(task, folder, stems)
    labels = tuple(read_name(label) for label in task.labels)
    if len(labels) < 2 or len(set(labels)) < len(labels):
        given = to_toml(listed_names(task.labels))
        raise ConfigError(f"task.labels = {given}: expected at least two names, all different")
    return labels


def _discovered(task: TaskSettings, folder: LocalFolder | None, stems: Sequence[str] | None) -> tuple[str, ...]:
    if folder is None:
        raise ConfigError(
            f'task.path = "": task.name = "{task.name}" reads your own files; set task.path to a folder with train and '
            f"validation files, or task.labels where only the clients have data"
        )
    if folder.private:
        raise ConfigError(
            f'task.labels = "": task.name = "{task.name}" cannot find its classes in private files '
            f"({folder.place.wording.key}), which differ from client to client; name all of them in task.labels on the "
            f"server"
        )
    found, unusable = _names(folder.cells("train", task.label_column, stems))
    path = folder.files("train", stems)[0]
    if len(found) < 2:
        classes = f" ({listed_names(list(found))})" if found else ""
        reason = "".join(f"; {words}" for words in unusable[:1])
        raise folder.error(
            "train",
            path,
            f"column {task.label_column} has {len(found)} class(es){classes}, at least 2 needed{reason}",
        )
    if (truths := found.keys() & TRUTH.keys()) and (numbers := found.keys() & set(TRUTH.values())):
        shown = [repr(found[name]) for name in (*sorted(truths), *sorted(numbers))]
        raise folder.error(
            "train",
            path,
            f"column {task.label_column} has truth values and numbers ({', '.join(shown)}), and no telling which are "
            f"the same; write all in one way",
        )
    return tuple(sorted(found, key=lambda label: (int(label), "") if label.isdecimal() else (-1, label)))


def _names(cells: Sequence[tuple[Path, int, Any]]) -> tuple[Mapping[str, Any], list[str]]:
    """The names of classes with the cell that each was first found in; what is wrong with cells that name none."""
    found: dict[str, Any] = {}
    unusable = []
    for path, row, cell in cells:
        try:
            found.setdefault(check_class_name(cell), cell)
        except ValueError as error:  # the row is refused, or left out, when it is read
            value = "" if isinstance(cell, BadCell) else f"{cell!r} "
            unusable.append(f"{path.name}: row {row + 1}: {value}{error}")
    return found, unusable
