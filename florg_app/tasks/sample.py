"""A part of a split: columns, and rows that are chosen by the seed alone."""

from collections.abc import Sequence

import numpy as np
from datasets import Dataset

from florg_app.config import ConfigError
from florg_app.tasks.base import Split
from strategies.rng import generator


def sample(rows: Dataset, split: Split, wanted: int | None, seed: int) -> Dataset:
    """`wanted` of the rows in their order, the same in every process; all for None, or where there are fewer."""
    if wanted is None or wanted >= len(rows):
        return rows
    chosen = generator(seed, "task-rows", split).permutation(len(rows))[:wanted]
    return rows.select(np.sort(chosen))


def select(rows: Dataset, split: Split, columns: Sequence[str], further: str | None) -> Dataset:
    """These columns, and of training rows a further one. Raises ConfigError where the latter is not there."""
    if split != "train" or further is None:
        return rows.select_columns(list(columns))
    if further not in rows.column_names:
        raise ConfigError(
            f'partition.column = "{further}": the training rows have no such column; they have '
            f"{', '.join(rows.column_names)}"
        )
    return rows.select_columns(list(dict.fromkeys([*columns, further])))
