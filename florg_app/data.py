"""The rows of a run as features: each client's own and the validation set, read and made once per process."""

from dataclasses import dataclass
from functools import cached_property

import datasets
import numpy as np

from florg_app.partition import partition_rows, split_holdout
from florg_app.settings import Settings
from florg_app.tasks.base import Features, Preprocessor, Split, Task


@dataclass(frozen=True)
class ClientData:
    """One client's rows."""

    train: Features
    held_out: Features


class Data:
    """All features of one task and preprocessor that this process has needed so far."""

    def __init__(self, task: Task, preprocessor: Preprocessor, settings: Settings, *, private: bool = False) -> None:
        """`private`: the rows are one client's own, all of them, and not everyone's to be divided."""
        self._task, self._preprocessor, self._settings, self._private = task, preprocessor, settings, private
        self._partitions: dict[int, list[np.ndarray]] = {}
        self._clients: dict[tuple[int, int], ClientData] = {}

    @cached_property
    def validation(self) -> Features:
        """The rows of the central evaluation."""
        return self._features(self._task.rows("validation"))

    def skipped(self, split: Split) -> int:
        """Rows of a split that were left out as bad in what this process has read of it."""
        return sum(count for (part, _), count in self._task.skipped.items() if part == split)

    @cached_property
    def _train_rows(self) -> datasets.Dataset:
        return self._task.rows("train")

    def client(self, partition_id: int, num_partitions: int) -> ClientData:
        """The rows of one of `num_partitions` clients, the same in every process.

        Where the method pools the rows, partition 0 has those of all clients, for training and held out.
        """
        key = partition_id, num_partitions
        if key not in self._clients:
            owners = range(num_partitions) if self._settings.method.pooled else [partition_id]
            parts = zip(*(self._split(owner, num_partitions) for owner in owners), strict=True)
            rows = (np.sort(np.concatenate(part)) for part in parts)
            train, held_out = (self._features(self._train_rows.select(part)) for part in rows)
            self._clients[key] = ClientData(train, held_out)
        return self._clients[key]

    def _split(self, partition_id: int, num_partitions: int) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers that one client trains on, and that it holds out."""
        settings = self._settings
        indices = np.arange(len(self._train_rows)) if self._private else self._indices(num_partitions)[partition_id]
        return split_holdout(indices, settings.partition.holdout, settings.seed, partition_id)

    def _indices(self, num_partitions: int) -> list[np.ndarray]:
        if num_partitions not in self._partitions:
            settings, column = self._settings, self._task.partition_column
            self._partitions[num_partitions] = partition_rows(
                self._train_rows, column, settings.partition, num_partitions, settings.seed
            )
        return self._partitions[num_partitions]

    def _features(self, rows: datasets.Dataset) -> Features:
        return self._task.features(rows, self._preprocessor, self._settings.task.max_length)
