"""Who gets which rows: computed from one column alone, the same in every process."""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from datasets import Dataset

from florg_app.config import ConfigError
from florg_app.settings import PartitionSettings
from florg_app.tasks.sample import set_apart
from strategies.rng import generator, stream_seed

if TYPE_CHECKING:
    from flwr_datasets.partitioner import Partitioner

Rows = np.ndarray
"""Row numbers (int64), ascending."""


# flwr_datasets is imported where it is used: it brings seaborn and scipy, seconds that clients with own data can save.
def _iid(partition: PartitionSettings, num_partitions: int, seed: int) -> "Partitioner":
    from flwr_datasets.partitioner import IidPartitioner

    return IidPartitioner(num_partitions)


def _dirichlet(partition: PartitionSettings, num_partitions: int, seed: int) -> "Partitioner":
    from flwr_datasets.partitioner import DirichletPartitioner

    return DirichletPartitioner(
        num_partitions=num_partitions,
        partition_by="label",
        alpha=partition.alpha,
        min_partition_size=partition.min_size,
        self_balancing=False,
        shuffle=False,
        seed=seed,
    )


PARTITIONERS: dict[str, Callable[[PartitionSettings, int, int], "Partitioner"]] = {
    "iid": _iid,
    "dirichlet": _dirichlet,
}
"""By `partition.name`: (settings, num_partitions, seed) -> partitioner of a data set with the column "label"."""

WITHOUT_COLUMN = ("iid",)
"""Those that never look at the column."""


def partition_rows(
    rows: Dataset, column: str | None, partition: PartitionSettings, num_partitions: int, seed: int
) -> list[Rows]:
    """The rows of each client by the values of `column`: disjoint, together all, none fewer than `partition.min_size`.

    Raises ConfigError where the rows are too few, or too unevenly drawn, for so many clients, or have no such column.
    """
    assert num_partitions >= 1, num_partitions
    if column is None and partition.name not in WITHOUT_COLUMN:
        raise ConfigError(
            f'partition.name = "{partition.name}" divides rows by a column, and those of this task have none for it; '
            f"choose {' | '.join(WITHOUT_COLUMN)}"
        )
    needed = num_partitions * partition.min_size
    if len(rows) < needed:
        raise ConfigError(
            f"{len(rows)} training rows cannot give {num_partitions} clients partition.min-size = "
            f"{partition.min_size} rows each ({needed} are needed); lower partition.min-size, raise "
            f"task.max-train-rows, or run fewer clients"
        )
    # Partitioners take rows of a class in their order, which need not be random: they get them shuffled.
    order = generator(seed, "partition-order").permutation(len(rows))
    labels = np.zeros(len(rows), np.int64) if column is None else np.asarray(rows[column][:])[order]
    partitioner = PARTITIONERS[partition.name](partition, num_partitions, stream_seed(seed, "partition"))
    partitioner.dataset = Dataset.from_dict({"label": labels, "row": order})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one for each draw that is repeated because a client got too few rows
        try:
            parts = [partitioner.load_partition(client) for client in range(num_partitions)]
        except ValueError as error:
            raise ConfigError(
                f"partition.alpha = {partition.alpha} leaves one of {num_partitions} clients with fewer than "
                f"partition.min-size = {partition.min_size} of the {len(rows)} training rows in every draw; raise "
                f"partition.alpha or task.max-train-rows, lower partition.min-size, or run fewer clients ({error})"
            ) from error
    return [np.sort(np.asarray(part["row"][:])) for part in parts]


def split_holdout(rows: Rows, holdout: float, seed: int, partition_id: int) -> tuple[Rows, Rows]:
    """(rows to train on, rows kept for the client's own evaluation), the latter a share `holdout`, at least one.

    With holdout = 0 none are kept. Raises ConfigError where the client has a single row.
    """
    if not holdout:
        return rows, rows[:0]
    if len(rows) < 2:
        raise ConfigError(
            f"partition {partition_id} has {len(rows)} rows, too few to keep partition.holdout = {holdout} of them; "
            f"raise partition.min-size, or set partition.holdout = 0.0"
        )
    return set_apart(rows, holdout, generator(seed, "holdout", partition_id))
