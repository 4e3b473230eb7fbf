"""PARTITIONERS: one function per way of dividing rows, each a partitioner of Flower Datasets."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from florg_app.config.partition_settings import PartitionSettings

if TYPE_CHECKING:
    from flwr_datasets.partitioner import Partitioner


# flwr_datasets is imported where it is used: it brings seaborn and scipy, seconds that clients with own data can save.
def _iid(partition: PartitionSettings, num_partitions: int, seed: int) -> "Partitioner":
    from flwr_datasets.partitioner import IidPartitioner

    return IidPartitioner(num_partitions)


def _dirichlet(partition: PartitionSettings, num_partitions: int, seed: int) -> "Partitioner":
    from flwr_datasets.partitioner import DirichletPartitioner

    return DirichletPartitioner(
        num_partitions=num_partitions,
        partition_by="value",
        alpha=partition.alpha,
        min_partition_size=partition.min_size,
        self_balancing=False,
        shuffle=False,
        seed=seed,
    )


def _pathological(partition: PartitionSettings, num_partitions: int, seed: int) -> "Partitioner":
    from flwr_datasets.partitioner import PathologicalPartitioner

    # As Li et al. (arXiv 2102.02079): the first class of client p is p modulo their number, the others are drawn.
    return PathologicalPartitioner(
        num_partitions,
        "value",
        partition.classes_per_client,
        class_assignment_mode="first-deterministic",
        shuffle=False,
        seed=seed,
    )


def _natural_id(partition: PartitionSettings, num_partitions: int, seed: int) -> "Partitioner":
    from flwr_datasets.partitioner import NaturalIdPartitioner

    return NaturalIdPartitioner("value")


def _linear(partition: PartitionSettings, num_partitions: int, seed: int) -> "Partitioner":
    from flwr_datasets.partitioner import LinearPartitioner

    return LinearPartitioner(num_partitions)


def _square(partition: PartitionSettings, num_partitions: int, seed: int) -> "Partitioner":
    from flwr_datasets.partitioner import SquarePartitioner

    return SquarePartitioner(num_partitions)


def _exponential(partition: PartitionSettings, num_partitions: int, seed: int) -> "Partitioner":
    from flwr_datasets.partitioner import ExponentialPartitioner

    return ExponentialPartitioner(num_partitions)


PARTITIONERS: dict[str, Callable[[PartitionSettings, int, int], "Partitioner"]] = {
    "iid": _iid,
    "dirichlet": _dirichlet,
    "pathological": _pathological,
    "natural-id": _natural_id,
    "linear": _linear,
    "square": _square,
    "exponential": _exponential,
}
"""By `partition.name`: (settings, num_partitions, seed) -> partitioner of a data set with the column "value"."""
