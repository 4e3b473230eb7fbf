"""The one Flower Strategy: sample, send, validate, combine, record. It knows no method's name."""

import time
from collections.abc import Callable, Iterable, Mapping
from logging import INFO
from typing import Any

import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.exception import AggregationError
from flwr.serverapp.strategy import Strategy

from strategies.bases.basis import Fixed
from strategies.exchange.lineage import Lineage
from strategies.exchange.ranks import rank_of
from strategies.exchange.screening import Asked
from strategies.exchange.secure_step import session_of
from strategies.exchange.traffic import Traffic
from strategies.exchange.train_request import TrainRequest, train_messages
from strategies.exchange.wire import pack
from strategies.logger import log
from strategies.manifest import Manifest
from strategies.method import Method
from strategies.protection.privacy import PrivacyLedger
from strategies.server.broadcast import begin_broadcast, carried_on
from strategies.server.cost_meter import PeakMemory
from strategies.server.diagnostics import for_norms
from strategies.server.once_sent import OnceSent
from strategies.server.polling import Reply, collect
from strategies.server.remarks import Remarks
from strategies.server.replies import accept_replies, reject_beyond_bound
from strategies.server.roster import Roster, sample_clients
from strategies.server.round_policy import ASKED, RANKS, SKIPPED, Policy
from strategies.server.round_record import RoundRecord, mean_metrics
from strategies.server.round_setup import RoundSetup
from strategies.server.secure_queries import ask_over
from strategies.server.secure_round import open_secure_sum
from strategies.server.training_round import Round
from strategies.state import State

Evaluate = Callable[[int, State], Mapping[str, float] | None]
"""(round, state) -> metrics of the global model, or None in a round without evaluation."""


class FederatedAdapters(Strategy):
    """Federated adapters by any `Method`. Flower's own `start` works; `run` adds streaming, failure policy and records.

    Replies are validated and folded into the combination as they arrive, in partition order; without diagnostics the
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
        memory: PeakMemory | None = None,
        roster: Roster | None = None,
    ) -> None:
        """Begin, or go on with the `state` and the `bookkeeping` of a checkpoint.

        Args:
            method: the rule.
            manifest: which tensors there are.
            state: the server's tensors, those of `manifest.held`.
            identity: what every client must share.
            lineage: the attempts at the run so far; may be replaced between rounds.
            policy: the rules of every round.
            device: of the aggregation.
            diagnostics: the bases by group turn the diagnostics on where the server has a whole model to diagnose.
            on_round: sees the record of each round at its end.
            bookkeeping: what the property of this name was.
            private: the noise and the account of differential privacy.
            memory: measures the server's peak where the policy wants its costs.
            roster: who takes part, where nodes have been asked already.
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
        self._on_round = on_round
        diagnosed = diagnostics if manifest.plan.has_global_model else None
        bases = diagnosed and {name: for_norms(fixed, device) for name, fixed in diagnosed.items()}
        self._setup = RoundSetup(method, manifest, policy, device, bases, memory)
        self._roster = roster or Roster()
        self._used_keys: set[bytes] = set()
        """Public keys of the secure sums so far."""
        self._remarks = Remarks(method, manifest.groups)
        self._once = OnceSent()
        self._begun: Round | None = None
        """Only for Flower's own `start`, which knows no rounds: what `configure_train` hands to `aggregate_train`."""

    @property
    def arrays(self) -> ArrayRecord:
        """SHARED and PUSHED tensors as they are, one array per group and symbol: what a broadcast is made of."""
        shapes = self._manifest.downlink
        return pack(self.state.select(shapes), shapes)

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
        for t in rounds:
            record = self._train_round(t, grid)
            start = time.monotonic()
            record.evaluation = evaluate(t, self.state)
            record.seconds["evaluate"] = time.monotonic() - start
            self._skipped = self._skipped + 1 if record.skipped else 0
            self._on_round(record)
            if self._skipped >= self._policy.max_skipped:
                raise AggregationError(f"{self._skipped} rounds in a row were skipped, the last: {record.skipped}")

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """One message for each sampled client; those of one rank share their broadcast."""
        self._begun = self._begin_round(server_round, grid, arrays)
        return self._begun.messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """The next broadcast and the mean training metrics; (None, None) when the round is skipped."""
        current, self._begun = self._begun, None
        assert current is not None, f"round {server_round} was not configured"
        assert current.t == server_round, f"round {current.t} was configured, not {server_round}"
        asked = {message.metadata.message_id: asked for message, asked in current.sent}
        answers = ((asked.get(reply.metadata.reply_to_message_id), reply) for reply in replies)
        self._end_round(current, answers)
        if current.record.skipped:
            return None, None
        return self.arrays, MetricRecord(dict(mean_metrics(current.record.accepted)))

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """None: a client scores the received model within the train message, since a message may cost a model load."""
        return []

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        return None

    def _train_round(self, t: int, grid: Grid) -> RoundRecord:
        """One whole round but for the evaluation; what its aggregation holds is free when this returns."""
        start = time.monotonic()
        current = self._begin_round(t, grid)
        self._end_round(current, collect(grid, current.sent, self._policy.round_timeout, current.most_bytes))
        current.record.seconds["train"] = time.monotonic() - start - sum(current.record.seconds.values())
        return current.record

    def _begin_round(self, t: int, grid: Grid, arrays: ArrayRecord | None = None) -> Round:
        """Sample the clients of a round and write their messages; `arrays` as `exact` of `begin_broadcast`."""
        self._once.update(self.state.select(self._manifest.once))
        online = self._roster.online(grid)
        candidates = [p for p in online if p == 0 or not self._method.traits.pooled]
        # Round 0 asks whom round 1 would ask.
        partitions = sample_clients(candidates, self._policy.fraction_train, self._manifest.seed, max(t, 1))
        nodes, seconds = {p: online[p] for p in partitions}, self._policy.round_timeout
        ask = ask_over(grid, nodes, self.lineage, t, seconds)
        session = session_of(self.lineage, t)
        secure, parcels = open_secure_sum(self._policy.secure_sum, session, ask, self._used_keys, partitions)
        scores, more = self._policy.evaluate_on_clients, self._policy.more_metrics
        asked = [
            Asked(p, self._rank(t, p), scores, self._roster.rows(p), more, self._once.lacks(nodes[p]))
            for p in partitions
            if secure is None or p in parcels
        ]
        kinds, largest = {(a.rank, a.carries) for a in asked}, self._method.active_rank(t, self._manifest.rank)
        broadcast = begin_broadcast(
            self._policy.wire.broadcast, self._method, self._manifest, self.state, t, largest, arrays
        )
        sent = {kind: broadcast.arrays(kind) for kind in kinds}
        requests = {kind: self._request(t, *kind) for kind in sent}
        messages = train_messages(asked, nodes, sent, requests, parcels, seconds)
        traffic = {kind: broadcast.traffic(kind, sent[kind]) for kind in kinds}
        down = sum((traffic[a.rank, a.carries] for a in asked), Traffic())
        spent = self.private.begin(partitions) if self.private else {}
        release = self.private.release(len(partitions)) if self.private and partitions else None
        record = RoundRecord(t, partitions, down=down, privacy=spent)
        variance, clip = (self.private.upload_variance, self.private.clip_of_decoded) if self.private else (0.0, None)
        return Round(self._setup, broadcast.begun, messages, record, release, secure, variance, clip)

    def _end_round(self, current: Round, answers: Iterable[tuple[Asked | None, Reply]]) -> None:
        """Aggregate the replies of a round; the state stays as it is where the round is skipped."""
        bound = self._policy.robust.norm_bound
        verdicts = accept_replies(answers, current.partitions, current.t, current.shapes, current.reader)
        for verdict in reject_beyond_bound(verdicts, current.change_norms, bound) if bound else verdicts:
            current.take(verdict)
        new_state = current.finish()
        self._once.note(current.sent, current.record.accepted)
        if new_state is not None:
            current.record.remarks = self._remarks.of_step(self.state, new_state)
            self.state = carried_on(self._method, self.state, current.begun, new_state)
            self.ranks |= current.lowered

    def _request(self, t: int, rank: int, carries: bool) -> TrainRequest:
        scores, version = self._policy.evaluate_on_clients, self._once.version
        return TrainRequest(t, rank, scores, self.lineage, self._identity, version, carries)

    def _rank(self, t: int, partition: int) -> int:
        """Of the factors that the client of this partition receives in round t."""
        own = rank_of(partition, self._policy.client_ranks, self.ranks, self._manifest.rank)
        return min(own, self._method.active_rank(t, self._manifest.rank))
