"""The one Flower Strategy: sample, send, screen, combine, record. It knows no method's name."""

import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from logging import INFO
from typing import Any

import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.exception import AggregationError
from flwr.serverapp.strategy import Strategy

from strategies.bases.basis import Fixed
from strategies.exchange.lineage import Lineage
from strategies.exchange.ranks import cut, padded, rank_of, sizes
from strategies.exchange.screening import Asked, Upload
from strategies.exchange.traffic import Traffic, measure_traffic
from strategies.exchange.uploads import zero_update
from strategies.exchange.wire import broadcast, pack, train_message
from strategies.logger import log
from strategies.manifest import Manifest, state_at_start
from strategies.method import Method, Role
from strategies.protection.privacy import PrivacyLedger
from strategies.server.combination import Combination
from strategies.server.cost_meter import CostMeter
from strategies.server.diagnostics import diagnose, for_norms
from strategies.server.polling import collect
from strategies.server.replies import accept_replies
from strategies.server.roster import Roster, sample_clients
from strategies.server.round_policy import ASKED, RANKS, SKIPPED, Policy, raw_weight
from strategies.server.round_record import RoundRecord
from strategies.state import State, flatten, select

Evaluate = Callable[[int, State], Mapping[str, float] | None]
"""(round, state) -> metrics of the global model, or None in a round without evaluation."""


class FederatedAdapters(Strategy):
    """Federated adapters by any `Method`. Flower's own `start` works; `run` adds streaming, failure policy and records.

    Replies are screened and folded into the combination as they arrive, in partition order; without diagnostics the
    server holds the state, the running sum and the uploads that overtook a slower client. With a norm bound it holds
    all uploads until the last is there, with a robust combination all summands in float64.
    """

    def __init__(
        self,
        method: Method,
        manifest: Manifest,
        state: State,
        identity: Mapping[str, str],
        lineage: Lineage,
        policy: Policy,
        device: torch.device,
        diagnostics: Mapping[str, Fixed] | None = None,
        on_round: Callable[[RoundRecord], None] = lambda record: None,
        bookkeeping: Mapping[str, Any] | None = None,
        private: PrivacyLedger | None = None,
    ) -> None:
        """`identity` must match on every client; `diagnostics`, the bases by group, turns the diagnostics on where
        the server has a whole model to diagnose. A resumed run has the `state` and the `bookkeeping` of its checkpoint.
        `private` has the noise and the account of differential privacy.
        """
        self.state, self.lineage, self.private = state, lineage, private
        known = bookkeeping or {}
        if private is not None:
            private.resume(known.get(ASKED, {}))
        self.ranks = {int(partition): int(rank) for partition, rank in known.get(RANKS, {}).items()}
        """By partition: the ranks that clients have come down to; a part of the state."""
        skipped = int(known.get(SKIPPED, 0))
        self._skipped = 0 if skipped >= policy.max_skipped else skipped  # those had ended the run: it counts anew
        self._method, self._manifest, self._identity, self._policy = method, manifest, identity, policy
        self._device, self._on_round = device, on_round
        diagnosed = diagnostics if manifest.plan.has_global_model else None
        self._bases = diagnosed and {name: for_norms(fixed, device) for name, fixed in diagnosed.items()}
        self._roster = Roster()
        self._asked: list[tuple[Message, Asked]] = []
        self._record = RoundRecord(0, [])

    @property
    def arrays(self) -> ArrayRecord:
        """The broadcast: SHARED and PUSHED tensors, one array per group and symbol."""
        return self._at(self._manifest.rank)

    @property
    def bookkeeping(self) -> dict[str, Any]:
        """What the strategy knows beside the state and needs in order to go on; JSON-ready."""
        asked = {ASKED: self.private.asked} if self.private else {}
        return {SKIPPED: self._skipped, RANKS: self.ranks, **asked}

    def summary(self) -> None:
        """Log what is federated."""
        manifest = self._manifest
        layers = ", ".join(f"{len(group.layers)} layers {group.name}" for group in manifest.groups)
        log(INFO, "%s: %s; rank %d; head %d", self._method.name, layers, manifest.rank, manifest.head_numbers)

    def run(self, grid: Grid, rounds: Iterable[int], evaluate: Evaluate) -> None:
        """Train round by round; `on_round` sees each record. Raises AggregationError after max_skipped empty rounds."""
        self._roster.wait(grid, self._policy.min_clients, self._policy.wait_timeout)
        arrays = self.arrays
        for t in rounds:
            start = time.monotonic()
            messages = list(self.configure_train(t, arrays, ConfigRecord(), grid))
            new_arrays, _ = self.aggregate_train(t, collect(grid, messages, self._policy.round_timeout))
            self._record.seconds["train"] = time.monotonic() - start - self._record.seconds["aggregate"]
            start = time.monotonic()
            self._record.evaluation = evaluate(t, self.state)
            self._record.seconds["evaluate"] = time.monotonic() - start
            arrays, self._skipped = (arrays, self._skipped + 1) if new_arrays is None else (new_arrays, 0)
            self._on_round(self._record)
            if self._skipped >= self._policy.max_skipped:
                reason = self._record.skipped
                raise AggregationError(f"{self._skipped} rounds in a row were skipped, the last: {reason}")

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """One message for each sampled client; those of one rank share their broadcast."""
        online = self._roster.online(grid)
        candidates = [p for p in online if p == 0 or not self._method.pooled]
        partitions = sample_clients(candidates, self._policy.fraction_train, self._manifest.seed, server_round)
        asked = [Asked(p, self._rank(server_round, p)) for p in partitions]
        own, identity = self._policy.evaluate_on_clients, {**self._identity, **self.lineage.as_config()}
        sent = {rank: arrays if rank == self._manifest.rank else self._at(rank) for rank in {a.rank for a in asked}}
        contents = {rank: broadcast(sent[rank], server_round, rank, identity, own) for rank in sent}
        self._asked = [
            (train_message(contents[a.rank], online[a.partition], server_round, self._policy.round_timeout), a)
            for a in asked
        ]
        down = sum((measure_traffic(sent[a.rank]) for a in asked), Traffic())
        spent = self.private.begin(partitions) if self.private else {}
        self._record = RoundRecord(server_round, partitions, down=down, privacy=spent)
        return [message for message, _ in self._asked]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """The next broadcast and the mean training metrics; (None, None) when the round is skipped."""
        record, seconds, costs = self._record, 0.0, CostMeter(self._device, self._policy.measure_costs)
        state = state_at_start(self._method, self._manifest, self.state, server_round)
        combination = self._combination(state)

        @cache
        def like(rank: int) -> State:
            """An upload at this rank that changed nothing."""
            return zero_update(self._policy.upload, self._method, server_round, state, self._manifest.at(rank))

        def use(upload: Upload) -> None:
            nonlocal seconds
            start = time.monotonic()
            weight = raw_weight(self._policy.weighting, self._manifest.plan, upload)
            with costs.phase():
                combination.add(padded(upload.tensors, sizes(like(self._manifest.rank))), weight)
            record.accept(upload)
            record.weights[upload.partition] = weight
            seconds += time.monotonic() - start

        bound, exempt = self._policy.robust.norm_bound, self._manifest.shapes(Role.REPORTED)
        record.rejected += accept_replies(replies, self._asked, server_round, like, use, bound, exempt)
        start = time.monotonic()
        new_state = self._finish(combination, costs)
        record.seconds["aggregate"] = seconds + time.monotonic() - start
        record.costs = costs.as_dict()
        if new_state is None:
            return None, None
        self.state = new_state
        asked = {client.partition: client.rank for _, client in self._asked}
        self.ranks |= {done.partition: done.rank for done in record.accepted if done.rank < asked[done.partition]}
        return self.arrays, MetricRecord(dict(record.as_dict()["train"]))

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """None: a client scores the received model within the train message, since a message may cost a model load."""
        return []

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        return None

    def _rank(self, t: int, partition: int) -> int:
        """Of the factors that the client of this partition receives in round t."""
        own = rank_of(partition, self._policy.client_ranks, self.ranks, self._manifest.rank)
        return min(own, self._method.active_rank(t, self._manifest.rank))

    def _at(self, rank: int) -> ArrayRecord:
        """The broadcast to clients of this rank."""
        shapes = self._manifest.at(rank).downlink
        return pack(cut(select(self.state, shapes), shapes), shapes)

    def _combination(self, state: State) -> Combination:
        """Of a round that begins with this state."""
        contributed = self._policy.upload == "summand"
        keep = self._bases is not None and not contributed
        reduce = self._policy.robust.reduction
        release = self.private and self.private.release(len(self._record.sampled))
        return Combination(self._method, self._record.t, state, self._device, keep, contributed, reduce, release)

    def _finish(self, combination: Combination, costs: CostMeter) -> State | None:
        """The state after the round, or None with the reason in the record."""
        record, needed = self._record, self._policy.min_uploads
        if len(record.accepted) < needed:
            record.skipped = f"{len(record.accepted)} of {len(record.sampled)} uploads accepted, min-uploads = {needed}"
            return None
        if not any(combination.weights):
            record.skipped = "every upload has weight 0: no client changed its adapters"
            return None
        try:
            with costs.phase():
                new_state = combination.finish()
        except torch.linalg.LinAlgError as error:  # pyright: ignore[reportPrivateImportUsage]  # documented name
            record.skipped = f"the aggregation failed: {error}"
            return None
        if not all(bool(torch.isfinite(tensor).all()) for tensor in flatten(new_state).values()):
            record.skipped = "the combined state is not finite: an upload was huge"
            return None
        if self._bases is not None:
            record.diagnostics = diagnose(self._manifest, self._bases, combination, new_state)
        return new_state
