"""The rows of a run as features: each client's own and those of the central evaluation, made once per process."""

from dataclasses import dataclass
from functools import cached_property

import datasets

from florg_app.config.parse import ConfigError
from florg_app.config.settings import Settings
from florg_app.data.client_rows import ClientRows
from florg_app.data.row_limits import RowLimits
from florg_app.data.token_cache import TokenCache
from florg_app.tasks.base import ROW, Features, Preprocessor, Task
from florg_app.tasks.split import Split

NO_LIMITS = RowLimits()


@dataclass(frozen=True)
class ClientData:
    """One client's rows."""

    train: Features
    held_out: Features


class ClientDatasets:
    """All features of one task and preprocessor that this process has needed so far."""

    def __init__(
        self,
        task: Task,
        preprocessor: Preprocessor,
        settings: Settings,
        *,
        private: bool = False,
        own_validation: bool = False,
        limits: RowLimits = NO_LIMITS,
    ) -> None:
        """`private`: the rows are one client's own; `own_validation`: it has others for scores, and holds out none.

        limits: of the model; rows beyond them are bad ones.
        """
        self._limits = limits
        self._task, self._preprocessor, self._settings = task, preprocessor, settings
        self._own_validation = own_validation
        holdout = 0.0 if own_validation else settings.partition.holdout
        self._rows = ClientRows(task, settings, holdout, private=private)
        # A copy of private rows lies nowhere that their owner has not named.
        self._cache = None if private else TokenCache.of(settings.task.cache, preprocessor)
        self._clients: dict[tuple[int, int], ClientData] = {}
        self._held_out: dict[int, Features] = {}

    @cached_property
    def validation(self) -> Features:
        """The task's validation rows."""
        return self._features(self._task.rows("validation"))

    def held_out(self, num_partitions: int) -> Features:
        """What all clients hold out."""
        if num_partitions not in self._held_out:
            _, rows = self._rows.of_all(num_partitions)
            self._held_out[num_partitions] = self._features(self._rows.train.select(rows))
        return self._held_out[num_partitions]

    def skipped(self, split: Split) -> int:
        """Rows of a split that were left out as bad in what this process has read of it."""
        return sum(count for (part, _), count in self._task.skipped.items() if part == split)

    def client(self, partition_id: int, num_partitions: int) -> ClientData:
        """The features of one of `num_partitions` clients, the same in every process.

        A client with validation rows of its own trains on all others, and holds out those.
        """
        key = partition_id, num_partitions
        if key not in self._clients:
            train, held_out = (self._rows.train.select(part) for part in self._rows.of(partition_id, num_partitions))
            kept = self.validation if self._own_validation else self._features(held_out)
            self._clients[key] = ClientData(self._features(train), kept)
        return self._clients[key]

    def _features(self, rows: datasets.Dataset) -> Features:
        task, length = self._task, self._settings.task.max_length
        make = lambda: task.features(rows, self._preprocessor, length)  # noqa: E731
        if self._cache is None or not task.cacheable:
            features = make()
        else:
            before = task.bad_rows.times
            whole = lambda: task.bad_rows.times == before  # noqa: E731
            features = self._cache.features(rows, self._settings.task, make, keep=whole)
        return self._within_limits(features, rows)

    def _within_limits(self, features: Features, rows: datasets.Dataset) -> Features:
        """The features that the model can take; the rows of others are refused, with all features of theirs."""
        if isinstance(features, list):  # those of images are made when they are asked for, all of one size
            bad = {example[ROW]: problem for example in features if (problem := self._limits.problem(example))}
            for place, problem in bad.items():
                self._task.bad_rows.refuse_at(rows, place, problem)
            features = [example for example in features if example[ROW] not in bad] if bad else features
        if len(rows) and not len(features):
            raise ConfigError(f'none of {len(rows)} rows can be used: task.bad-rows = "skip" left all of them out')
        return features
