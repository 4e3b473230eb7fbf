"""Who has what before anyone trains: rows and values of the label per client, as a table."""

from dataclasses import dataclass

import numpy as np
from datasets import ClassLabel
from rich.table import Table

from florg_app.config.settings import Settings
from florg_app.data.client_rows import ClientRows
from florg_app.data.partition import numbered
from florg_app.tasks.registry import make_task

OTHERS = "others"


@dataclass(frozen=True)
class PartitionTable:
    """Counts of the rows that clients train on and hold out."""

    sizes: np.ndarray
    """(clients, 2): rows to train on, rows held out."""
    values: tuple[str, ...]
    """What is counted, in its order; none where the task has no labels or the like."""
    counts: np.ndarray
    """(clients, values): rows of a client, held-out ones included."""

    def shortened(self, most: int) -> "PartitionTable":
        """With the `most` - 1 values that most rows have, and the sum of all others."""
        if len(self.values) <= most:
            return self
        kept = np.sort(np.argsort(-self.counts.sum(0), kind="stable")[: most - 1])
        rest = np.setdiff1d(np.arange(len(self.values)), kept)
        counts = np.column_stack([self.counts[:, kept], self.counts[:, rest].sum(1)])
        return PartitionTable(self.sizes, (*(self.values[index] for index in kept), OTHERS), counts)


def count_partitions(settings: Settings, num_clients: int) -> PartitionTable:
    """Who gets what of the rows of these settings; no model is loaded. Raises ConfigError as the run would."""
    task = make_task(settings)
    clients = ClientRows(task, settings, settings.partition.holdout)
    parts = [clients.own(client, num_clients) for client in range(num_clients)]
    sizes = np.array([[len(train), len(held_out)] for train, held_out in parts])
    column = task.partition_column or task.extra_column
    if column is None:
        return PartitionTable(sizes, (), np.zeros((num_clients, 0), np.int64))
    names, numbers = numbered(clients.train, column)
    counts = [np.bincount(numbers[np.concatenate(rows)], minlength=len(names)) for rows in parts]
    kind = clients.train.features[column]
    if isinstance(kind, ClassLabel):
        names = [str(kind.int2str(int(name))) for name in names]
    return PartitionTable(sizes, tuple(names), np.array(counts))


def partition_table(division: PartitionTable, most: int = 10) -> Table:
    """One row per client, one column for each of the `most` commonest values."""
    shown = division.shortened(most)
    printed = Table("client")
    for name in (*shown.values, "rows", "held out"):
        printed.add_column(name, justify="right")
    for client, (sizes, counts) in enumerate(zip(shown.sizes, shown.counts, strict=True)):
        printed.add_row(str(client), *(f"{count:,}" for count in (*counts, sizes.sum(), sizes[1])))
    total = (*shown.counts.sum(0), shown.sizes.sum(), shown.sizes[:, 1].sum())
    printed.add_section()
    printed.add_row("all", *(f"{count:,}" for count in total))
    return printed
