"""`text` and `text-pair`: a user's own files with one or two text columns and a column of class names."""

from datasets import Dataset

from florg_app.config.flat import listed_names, to_toml
from florg_app.config.parse import ConfigError
from florg_app.config.settings import Settings
from florg_app.tasks.files.checks import check_own_class
from florg_app.tasks.files.folder import LocalFolder, bad_rows_of
from florg_app.tasks.split import Split
from florg_app.tasks.text.answers import classes_answer
from florg_app.tasks.text.labelled_text import LabelledText, labelled_text
from florg_app.tasks.text.own_classes import own_classes

OWN_TEXT_SETTINGS = frozenset({"text_columns", "label_column", "labels"})
"""Fields of `TaskSettings` that these tasks alone read."""

DEFAULT_COLUMNS = {"text": ("text",), "text-pair": ("text1", "text2")}
"""By name of the task: the text columns where task.text-columns names none."""


def make_own_text(name: str, settings: Settings, folder: LocalFolder | None) -> LabelledText:
    """The task `name` on the files of `folder`; without one it has no rows, only classes, where task.labels names them.

    Raises ConfigError where the settings do not fit, or the classes have to be found and cannot be.
    """
    default, task = DEFAULT_COLUMNS[name], settings.task
    columns = task.text_columns or default
    if len(columns) != len(default) or len({*columns, task.label_column}) <= len(default):
        raise ConfigError(
            f'task.text-columns = {to_toml(listed_names(columns))}: task.name = "{name}" reads {len(default)} text '
            f'column(s) beside task.label-column = "{task.label_column}"; name as many, all different'
        )
    names = own_classes(task, folder)
    metrics = ("accuracy", "f1" if len(names) == 2 else "macro-f1")
    answer = classes_answer(names, metrics, check_own_class(names))
    bad_rows = bad_rows_of(task, folder)
    return labelled_text(settings, folder, columns, answer, _nowhere, bad_rows, task.label_column)


def _nowhere(split: Split) -> Dataset:
    raise ConfigError(
        f'task.path = "": this task has no {split} rows of its own; set task.path to a folder with train and '
        f"validation files, or evaluate.every = 0 where only the clients have data"
    )
