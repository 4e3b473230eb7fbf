"""Rows from the Hugging Face hub, as downloaded or as cached by an earlier download."""

from pathlib import Path

import datasets
import numpy as np
from datasets import Dataset

from florg_app.config.parse import ConfigError
from florg_app.tasks.files.bad_rows import BadRows, RowSource
from florg_app.tasks.files.wording import Wording
from florg_app.tasks.split import ORIGIN_COLUMN, Split


def load_hub_split(task: str, repository: str, name: str | None, split: str) -> Dataset:
    """A split of a data set. Raises ConfigError, naming the task, where it is not to be had."""
    try:
        rows = datasets.load_dataset(repository, name, split=split)
    except (OSError, ValueError) as error:
        raise _unreachable(task, repository, error) from error
    assert isinstance(rows, Dataset)
    return rows


def with_hub_origins(rows: Dataset, bad_rows: BadRows, split: Split, repository: str, name: str) -> Dataset:
    """The rows of a data set's part `name` with a column that says which of them each is."""
    source = RowSource(split, Path(name), Wording("data set of the hub", Path(repository)))
    origins = bad_rows.origins(source, np.arange(len(rows)))
    return rows.add_column(ORIGIN_COLUMN, origins)  # pyright: ignore[reportCallIssue]


def splits(task: str, repository: str) -> list[str]:
    """The names of its splits. Raises ConfigError, naming the task, where it is not to be had."""
    try:
        return datasets.get_dataset_split_names(repository)
    except (OSError, ValueError) as error:
        raise _unreachable(task, repository, error) from error


def _unreachable(task: str, repository: str, error: Exception) -> ConfigError:
    return ConfigError(
        f'task.name = "{task}": cannot load {repository} from the Hugging Face hub ({error}); '
        f"set task.path to a folder with its train and validation files"
    )
