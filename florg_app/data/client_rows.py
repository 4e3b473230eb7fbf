"""Which rows each client trains on and which it holds out: numbers of rows alone, without a model or a tokenizer."""

from functools import cached_property

import numpy as np
from datasets import Dataset

from florg_app.config.parse import ConfigError
from florg_app.config.settings import Settings
from florg_app.data.partition import Rows, numbered, partition_rows, split_holdout
from florg_app.tasks.base import Task
from florg_app.tasks.split import OWNER_COLUMN


class ClientRows:
    """The training rows of a task and their owners, read and computed once per process."""

    def __init__(self, task: Task, settings: Settings, holdout: float, *, private: bool = False) -> None:
        """`holdout`: share that is held out; `private`: the rows are one client's own, and not everyone's to divide."""
        self._task, self._settings, self._holdout, self._private = task, settings, holdout, private
        self._partitions: dict[int, list[Rows]] = {}

    @cached_property
    def train(self) -> Dataset:
        """All training rows that this process can read."""
        return self._task.rows("train")

    def of(self, partition_id: int, num_partitions: int) -> tuple[Rows, Rows]:
        """Numbers of the rows that one client trains on, and that it holds out; the same in every process.

        Where the method pools the rows, partition 0 has those of all clients.
        """
        if self._settings.method.traits.pooled:
            return self.of_all(num_partitions)
        return self.own(partition_id, num_partitions)

    def of_all(self, num_partitions: int) -> tuple[Rows, Rows]:
        """The same of all clients together."""
        parts = zip(*(self.own(owner, num_partitions) for owner in range(num_partitions)), strict=True)
        train, held_out = (np.sort(np.concatenate(part)) for part in parts)
        return train, held_out

    def own(self, partition_id: int, num_partitions: int) -> tuple[Rows, Rows]:
        """The same of one client, also where the method pools the rows."""
        indices = np.arange(len(self.train)) if self._private else self._divided(num_partitions)[partition_id]
        return split_holdout(indices, self._holdout, self._settings.seed, partition_id)

    def _divided(self, num_partitions: int) -> list[Rows]:
        if num_partitions not in self._partitions:
            settings, task = self._settings, self._task
            if task.extra_column == OWNER_COLUMN:
                self._partitions[num_partitions] = self._by_file(num_partitions)
            else:
                column = task.extra_column or task.partition_column
                self._partitions[num_partitions] = partition_rows(
                    self.train, column, settings.partition, num_partitions, settings.seed
                )
        return self._partitions[num_partitions]

    def _by_file(self, num_partitions: int) -> list[Rows]:
        names, numbers = numbered(self.train, OWNER_COLUMN)
        if len(names) != num_partitions:
            raise ConfigError(
                f'task.client-files = "{self._settings.task.client_files}" has the rows of {len(names)} clients, one '
                f"for each file, but the run has {num_partitions}; run {len(names)} clients, or change the files"
            )
        return [np.flatnonzero(numbers == client) for client in range(num_partitions)]
