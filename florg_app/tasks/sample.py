"""A part of a split, chosen by the seed alone."""

import numpy as np
from datasets import Dataset

from florg_app.tasks.base import Split
from strategies.rng import generator


def sample(rows: Dataset, split: Split, wanted: int | None, seed: int) -> Dataset:
    """`wanted` of the rows in their order, the same in every process; all for None, or where there are fewer."""
    if wanted is None or wanted >= len(rows):
        return rows
    chosen = generator(seed, "task-rows", split).permutation(len(rows))[:wanted]
    return rows.select(np.sort(chosen))
