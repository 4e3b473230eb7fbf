"""The server's side of a run that nobody has started: who is asked, what travels, and what each aggregation costs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from clients.backbone import CPU
from florg_app.config.gradient_start import begins_from_gradient, sketch_columns
from florg_app.config.settings import Settings
from florg_app.plan.without_numbers import LiveBytes
from florg_app.server_side.rules import policy_of
from strategies.bases.basis import Fixed
from strategies.exchange.ranks import cut, padded, rank_of
from strategies.exchange.traffic import Traffic, predict_traffic
from strategies.exchange.uploads import zero_update
from strategies.flops import counter
from strategies.manifest import Manifest, state_at_start
from strategies.method import Method
from strategies.protection.robust import most_lowered
from strategies.server.combination import Combination
from strategies.server.diagnostics import for_norms
from strategies.server.roster import sample_clients
from strategies.server.round_policy import Policy
from strategies.server.round_setup import RoundSetup
from strategies.starts.sketch_round import ROUND_ZERO, sketch_round
from strategies.state import State

ALL_FOLDED = 128
"""Uploads of a sum that are folded in one by one; each further one costs what the last of them did."""


@dataclass(frozen=True)
class RoundPlan:
    """One round, all clients that are asked together."""

    t: int
    asked: tuple[int, ...]
    """Partitions."""
    down: Traffic
    up: Traffic
    server_flops: int
    server_bytes: int
    """The most that the aggregation holds beside the state with which the round began."""
    state: State
    """That with which the round began on the server."""


def asked_partitions(settings: Settings, num_clients: int, t: int) -> list[int]:
    """Return the clients that are asked in round t where all of them are there, as the run draws them."""
    everyone = [0] if settings.method.traits.pooled else list(range(num_clients))
    return sample_clients(everyone, settings.fraction_train, settings.seed, max(t, 1))


@dataclass(frozen=True)
class Aggregation:
    """What one round's aggregation makes and costs."""

    state: State
    flops: int
    bytes: int


class _RoundNumber(int):
    """The number of a round, which notes whether a method looks at it; where none does, all its rounds are alike."""

    seen = False


def _noting(name: str) -> Any:
    plain = getattr(int, name)

    def look(self: _RoundNumber, *operands: Any) -> Any:
        self.seen = True
        return plain(self, *operands)

    return look


for _operation in (
    *("eq", "ne", "lt", "le", "gt", "ge", "hash", "bool", "index", "int", "float", "str", "repr", "format"),
    *("add", "radd", "sub", "rsub", "mul", "rmul", "mod", "rmod", "floordiv", "truediv", "rtruediv", "pow", "and"),
):
    setattr(_RoundNumber, f"__{_operation}__", _noting(f"__{_operation}__"))


class PlannedServer:
    """A server that goes through the rounds of a run with tensors that have no numbers."""

    def __init__(
        self,
        settings: Settings,
        manifest: Manifest,
        fixed: Mapping[str, Fixed],
        state: State,
        num_clients: int,
        live: LiveBytes,
    ) -> None:
        """`state` is what the server holds before round 1; `num_clients` are there in every round."""
        self._settings, self._method, self._manifest = settings, settings.method, manifest
        self._policy, self._num_clients, self._live = policy_of(settings), num_clients, live
        diagnosed = settings.server.diagnostics and manifest.plan.has_global_model
        self._bases = {name: for_norms(values, CPU) for name, values in fixed.items()} if diagnosed else None
        self._known: dict[object, Aggregation] = {}
        self.state = state
        self.sizes_depend_on_values = False
        """Whether what the server makes has sizes that follow from what clients learn; each is taken as 1."""

    def rounds(self, count: int) -> Iterator[RoundPlan]:
        """Go through round 0, where there is one, and rounds 1 to `count`."""
        if begins_from_gradient(self._settings.adapter.start, self._method):
            columns = sketch_columns(self._settings.start.columns, self._settings.adapter.rank)
            sketch, layout = sketch_round(self._method, self._manifest, columns)
            policy = replace(self._policy, client_ranks=(), server_optimizer=None)
            yield self._round(ROUND_ZERO, sketch, layout, policy, State(), set())
        holders: set[int] = set()
        for t in range(1, count + 1):
            yield self._round(t, self._method, self._manifest, self._policy, self.state, holders)

    def _round(
        self, t: int, method: Method, manifest: Manifest, policy: Policy, state: State, holders: set[int]
    ) -> RoundPlan:
        """One round from `state`; `holders` have what travels once, and are more after it."""
        asked = asked_partitions(self._settings, self._num_clients, t)
        active = method.active_rank(t, manifest.rank)
        ranks = [min(rank_of(p, policy.client_ranks, {}, manifest.rank), active) for p in asked]
        start = state_at_start(method, manifest, state, t)
        of_round = manifest.in_round(method, t)
        down, up = Traffic(), Traffic()
        for partition, rank in zip(asked, ranks, strict=True):
            layout = of_round.at(rank)
            shapes = layout.downlink if partition in holders else {**layout.downlink, **layout.once}
            down += predict_traffic(cut(state.select(shapes), shapes).sizes)
            up += predict_traffic(zero_update(policy.upload, method, t, start, layout).sizes)
        holders |= set(asked)
        done = self._aggregate(t, method, of_round, policy, start, ranks)
        if t > ROUND_ZERO:
            self.state = self.state.join(done.state.select(k for k in manifest.held if k in done.state.flat))
        return RoundPlan(t, tuple(asked), down, up, done.flops, done.bytes, state)

    def _aggregate(
        self, t: int, method: Method, manifest: Manifest, policy: Policy, start: State, ranks: Sequence[int]
    ) -> Aggregation:
        """The aggregation of a round; one that does not depend on its number is gone through once."""
        number = _RoundNumber(t)
        key = (method.name, tuple(manifest.plan.roles.items()), tuple(sorted(start.sizes.items())), len(ranks))
        if key in self._known:
            return self._known[key]
        few = min(len(ranks), ALL_FOLDED)
        if method.traits.needs == "stack":
            few = len(ranks)
        done = self._combine(number, method, manifest, policy, start, few)
        if few < len(ranks):
            before = self._combine(number, method, manifest, policy, start, few - 1)
            more = len(ranks) - few
            done = Aggregation(
                done.state,
                done.flops + more * (done.flops - before.flops),
                done.bytes + more * (done.bytes - before.bytes),
            )
        if not number.seen:
            self._known[key] = done
        return done

    def _combine(
        self, t: int, method: Method, manifest: Manifest, policy: Policy, start: State, uploads: int
    ) -> Aggregation:
        """What `uploads` clients of the largest rank come to; those of lower ones are padded to it before the sum."""
        contributed = policy.upload == "summand"
        share = 1.0 if policy.weighting == "uniform" else policy.robust.max_share
        bases = None if contributed or method is not self._method else self._bases
        setup = RoundSetup(method, manifest, policy, CPU, bases, None)
        sizes = zero_update(policy.upload, method, t, start, manifest).sizes
        assumed = self._live.counts_assumed
        with self._live.rise() as rise, counter() as count:
            combination = Combination(
                method,
                t,
                start,
                CPU,
                setup.mean_updates(start, most_lowered(share)),
                contributed,
                policy.robust.reduction,
                max_share=share,
                optimizer=policy.server_optimizer,
            )
            held: list[State] = []
            for _ in range(uploads):
                arrived = padded(_arrived(sizes), sizes)
                combination.add(arrived, 1.0)
                held += [arrived] if policy.robust.norm_bound else []
                del arrived
            state = combination.finish()
        self.sizes_depend_on_values |= self._live.counts_assumed > assumed
        return Aggregation(state, int(count.get_total_flops()), rise[0])


def _arrived(sizes: Mapping[str, tuple[int, ...]]) -> State:
    """An upload as it comes off the wire."""
    return State.from_flat({key: torch.empty(size, dtype=torch.float32) for key, size in sizes.items()})
