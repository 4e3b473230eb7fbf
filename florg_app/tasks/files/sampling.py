"""A part of a split: columns, and rows that are chosen by the seed alone."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import datasets
import numpy as np
from datasets import Dataset

from florg_app.config.parse import ConfigError
from florg_app.tasks.files.wording import columns_named
from florg_app.tasks.split import ORIGIN_COLUMN, Split
from strategies.rng import generator

Read = Callable[[Split], Dataset]
"""All rows of a split."""


def sample_rows(rows: Dataset, split: Split, wanted: int | None, seed: int) -> Dataset:
    """`wanted` of the rows in their order, the same in every process; all for None, or where there are fewer."""
    if wanted is None or wanted >= len(rows):
        return rows
    chosen = generator(seed, "task-rows", split).permutation(len(rows))[:wanted]
    return rows.select(np.sort(chosen))


def select_columns(rows: Dataset, split: Split, columns: Sequence[str], further: str | None) -> Dataset:
    """These columns, that of origins, and of training rows a further one. Raises ConfigError where it is not there."""
    kept = [*columns, *([ORIGIN_COLUMN] if ORIGIN_COLUMN in rows.column_names else [])]
    if split != "train" or further is None:
        return rows.select_columns(kept)
    if further not in rows.column_names:
        raise ConfigError(
            f'partition.column = "{further}": the training rows have no such column; they have '
            f"{columns_named([name for name in rows.column_names if name != ORIGIN_COLUMN])}"
        )
    return rows.select_columns(list(dict.fromkeys([*columns, further, *kept])))


def in_one(parts: Sequence[Dataset]) -> Dataset:
    """The rows of all parts in one piece of memory.

    A fingerprint of several pieces, which `datasets` makes of every selection, pickles each with all of the buffer that
    it is a part of: gigabytes.
    """
    if len(parts) == 1:
        return parts[0]
    whole: Any = datasets.concatenate_datasets(list(parts)).with_format("arrow")[:]
    return Dataset(whole.combine_chunks())


def set_apart(rows: np.ndarray, share: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(the others, a share of at least one of these row numbers), both ascending. Needs two rows."""
    assert len(rows) >= 2, rows
    num_apart = min(max(round(share * len(rows)), 1), len(rows) - 1)
    shuffled = random.permutation(rows)
    return np.sort(shuffled[num_apart:]), np.sort(shuffled[:num_apart])


def shared_out(read: Read, share: float, seed: int) -> Read:
    """Reads training rows alone, and gives a share of them as validation rows: the same in every process."""

    @cache
    def whole() -> Dataset:
        return read("train")

    def part(split: Split) -> Dataset:
        rows = whole()
        if len(rows) < 2:
            raise ConfigError(f"task.path: {len(rows)} training row(s) cannot give validation rows as well; add rows")
        train, validation = set_apart(np.arange(len(rows)), share, generator(seed, "validation-share"))
        return rows.select(train if split == "train" else validation)

    return part
