"""The class names of a user's own data: given, or found in the training file, the same on all nodes."""

from florg_app.config.parse import ConfigError
from florg_app.config.task_settings import TaskSettings
from florg_app.tasks.files.checks import check_class_name
from florg_app.tasks.files.folder import LocalFolder


def own_classes(task: TaskSettings, folder: LocalFolder | None) -> tuple[str, ...]:
    """task.labels, or else the names in the label column of the training file, in alphabetical order, numbers by size.

    Every process reads that file, so that all find the same; private files are different on each client. Raises
    ConfigError where the names make no choice, or have to be found and cannot be.
    """
    if task.labels and (len(task.labels) < 2 or len(set(task.labels)) < len(task.labels)):
        raise ConfigError(f'task.labels = "{", ".join(task.labels)}": expected at least two names, all different')
    return task.labels or _discovered(task, folder)


def _discovered(task: TaskSettings, folder: LocalFolder | None) -> tuple[str, ...]:
    if folder is None:
        raise ConfigError(
            f'task.path = "": task.name = "{task.name}" reads your own files; set task.path to a folder with train and '
            f"validation files, or task.labels where only the clients have data"
        )
    if folder.private:
        raise ConfigError(
            f'task.labels = "": task.name = "{task.name}" cannot find its classes in private files ({folder.key}), '
            f"which differ from client to client; name all of them in task.labels on the server"
        )
    found = set()
    for cell in folder.column_of("train", task.label_column):
        try:
            found.add(check_class_name(cell))
        except ValueError:
            continue  # the row is refused, or left out, when it is read
    if len(found) < 2:
        raise folder.error(
            folder.files("train")[0], f"column {task.label_column} has {len(found)} class(es), at least 2 needed"
        )
    return tuple(sorted(found, key=lambda label: (int(label), "") if label.isdecimal() else (-1, label)))
