"""Who gets which rows: computed from one column alone, the same in every process."""

import io
import math
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr
from typing import TYPE_CHECKING, Any

import numpy as np
from datasets import Dataset

from florg_app.config.parse import ConfigError
from florg_app.config.partition_settings import PARAMETERS, WITHOUT_COLUMN
from florg_app.config.section import kebab
from florg_app.config.settings import PartitionSettings
from florg_app.data.partitioners import PARTITIONERS
from florg_app.tasks.files.sampling import set_apart
from strategies.rng import generator, stream_seed

if TYPE_CHECKING:
    from flwr_datasets.partitioner import Partitioner

Rows = np.ndarray
"""Row numbers (int64), ascending."""


def partition_rows(
    rows: Dataset, column: str | None, partition: PartitionSettings, num_partitions: int, seed: int
) -> list[Rows]:
    """The rows of each client by the values of `column`: disjoint, together all, none fewer than `partition.min_size`.

    Raises ConfigError where the rows are too few, or too unevenly drawn, for so many clients, or have no such column.
    """
    assert num_partitions >= 1, num_partitions
    reads_column = partition.name not in WITHOUT_COLUMN
    if column is None and reads_column:
        raise ConfigError(
            f'partition.name = "{partition.name}" divides rows by a column, and those of this task have none for it; '
            f"name one in partition.column, or choose {' | '.join(WITHOUT_COLUMN)}"
        )
    needed = num_partitions * partition.min_size
    if len(rows) < needed:
        raise ConfigError(
            f"{len(rows)} training rows cannot give {num_partitions} clients partition.min-size = "
            f"{partition.min_size} rows each ({needed} are needed); lower partition.min-size, raise "
            f"task.max-train-rows, or run fewer clients"
        )
    names, numbers = numbered(rows, column) if column is not None and reads_column else ((), np.zeros(len(rows), int))
    if partition.name == "natural-id" and len(names) != num_partitions:
        raise ConfigError(
            f'partition.name = "natural-id" makes one client of each value of partition.column = "{column}", which '
            f"has {len(names)} in the training rows ({_few(names)}), not {num_partitions}; run {len(names)} clients"
        )
    # Partitioners take rows of a class in their order, which need not be random: they get them shuffled.
    order = generator(seed, "partition-order").permutation(len(rows))
    partitioner = PARTITIONERS[partition.name](partition, num_partitions, stream_seed(seed, "partition"))
    partitioner.dataset = Dataset.from_dict({"value": numbers[order], "row": order})
    try:
        parts = _parts(partitioner, num_partitions)
    except ValueError as error:
        raise _refusal(partition, num_partitions, len(rows), f"one of {num_partitions} clients", str(error)) from error
    if unused := set(range(len(names))) - set(np.unique(numbers[np.concatenate(parts)]).tolist()):
        raise ConfigError(
            f"partition.classes-per-client = {partition.classes_per_client} leaves {len(unused)} of {len(names)} "
            f"classes without a client ({_few([names[number] for number in sorted(unused)])}); raise it, or run at "
            f"least {len(names)} clients"
        )
    for client, part in enumerate(parts):
        if len(part) < partition.min_size:
            raise _refusal(partition, num_partitions, len(rows), f"client {client} of {num_partitions} clients")
    return parts


def numbered(rows: Dataset, column: str) -> tuple[Sequence[str], np.ndarray]:
    """The values of a column as texts, numbers by their size and then the others by alphabet; the value of each row.

    Raises ConfigError where there is no such column, or a row has nothing in it.
    """
    if column not in rows.column_names:
        raise ConfigError(
            f'partition.column = "{column}": the training rows have no such column; they have '
            f"{', '.join(rows.column_names)}"
        )
    values = rows[column][:]
    if missing := [row for row, value in enumerate(values) if not _is_value(value)]:
        raise ConfigError(
            f'partition.column = "{column}" holds neither a text nor a number in {len(missing)} training rows, the '
            f"first of them row {missing[0] + 1}; fill it in, or choose another column"
        )
    number_of = {value: number for number, value in enumerate(sorted(set(values), key=_by_size))}
    return [str(value) for value in number_of], np.array([number_of[value] for value in values])


def _is_value(value: Any) -> bool:
    return isinstance(value, str | int | float) and value == value and value != ""  # NaN is not equal to itself


def _by_size(value: Any) -> tuple[bool, float, str]:
    """Numbers, also those written as texts, before other texts."""
    text = str(value)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    return (False, number, text) if math.isfinite(number) else (True, 0.0, text)


def _parts(partitioner: "Partitioner", num_partitions: int) -> list[Rows]:
    # Warnings: one for each draw that is repeated because a client got too few rows. Standard error: a progress bar.
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        parts = [partitioner.load_partition(client) for client in range(num_partitions)]
    return [np.sort(np.asarray(part["row"][:], np.int64)) for part in parts]


def _refusal(partition: PartitionSettings, num_partitions: int, num_rows: int, who: str, why: str = "") -> ConfigError:
    own = sorted(PARAMETERS[partition.name] - {"column"})
    values = [f"partition.{kebab(name)} = {getattr(partition, name)}" for name in own]
    cause = ", ".join([f'partition.name = "{partition.name}"', *values])
    change = "".join(f"change partition.{kebab(name)}, " for name in own)
    return ConfigError(
        f"{cause} leaves {who} with fewer than partition.min-size = {partition.min_size} of the {num_rows} training "
        f"rows; {change}lower partition.min-size, raise task.max-train-rows, or run fewer clients"
        f"{f' ({why})' if why else ''}"
    )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


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
