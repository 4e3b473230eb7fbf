"""What both sides agree on before a round: which tensors there are, their shapes, and who sends which."""

import hashlib
import json
from dataclasses import dataclass, replace
from math import prod

from strategies.method import Method
from strategies.parametrisation import PARAMETRISATIONS
from strategies.plan import BROADCAST, HELD, KEPT, UPLOADED, Plan, Role
from strategies.state import HEAD, HEAD_SYMBOL, Group, Shape, Shapes, State, beside, shaped_as


@dataclass(frozen=True)
class Manifest:
    """The layout of one run's tensors; its digest travels with every message.

    >>> from strategies.methods.fedit import FedIT
    >>> group = Group(6, 5, ("layer.0.query", "layer.1.query"))
    >>> manifest = Manifest("fedit", FedIT().plan, (group,), (("classifier.weight", (2, 6)),), 3, 2.0, 1)
    >>> manifest.uplink
    {'6x5/A': (2, 3, 5), '6x5/B': (2, 6, 3), 'head/values': (12,)}
    """

    method: str
    plan: Plan
    groups: tuple[Group, ...]
    head: tuple[tuple[str, tuple[int, ...]], ...]
    """Name and shape of each trained parameter outside the adapters, in the model's order."""
    rank: int
    scale: float
    """s = alpha / r"""
    seed: int
    largest: int | None = None
    """The rank of the run where this is the layout of a client of its own rank; None: `rank` is that of the run."""

    def shapes(self, *roles: Role) -> Shapes:
        """Wire keys and shapes of the tensors of these roles: one array per group and symbol, the head as one.

        What travels once is whole for clients of all ranks: they have the same bases.
        """
        shapes: dict[str, Shape] = {}
        for group in self.groups:
            per_layer, whole = (
                PARAMETRISATIONS[self.plan.adapter].shapes(group, rank)
                for rank in (self.rank, self.largest or self.rank)
            )
            for symbol in self.plan.named(*roles):
                shape = (whole if self.plan.roles[symbol] is Role.ONCE else per_layer)[shaped_as(symbol)]
                shapes[f"{group.name}/{symbol}"] = (len(group.layers), *shape)
        if self.head and self.plan.head in roles:
            shapes[f"{HEAD}/{HEAD_SYMBOL}"] = (self.head_numbers,)
        if self.head and Role.SERVER in roles:
            shapes |= {f"{HEAD}/{beside(HEAD_SYMBOL, what)}": (self.head_numbers,) for what in self.plan.beside_head}
        return shapes

    @property
    def head_numbers(self) -> int:
        return sum(prod(shape) for _, shape in self.head)

    def at(self, rank: int) -> "Manifest":
        """The layout of what a client of this rank sends and receives; the run's own is that of the largest."""
        return replace(self, rank=rank, largest=self.largest or self.rank)

    def in_round(self, method: Method, t: int) -> "Manifest":
        """The layout of round t: of the same tensors, with the roles that the method gives them in that round."""
        plan = method.plan_at(t)
        if plan == method.plan:
            return self
        return replace(self, plan=replace(self.plan, roles={**self.plan.roles, **plan.roles}))

    @property
    def uplink(self) -> Shapes:
        return self.shapes(*UPLOADED)

    @property
    def downlink(self) -> Shapes:
        return self.shapes(*BROADCAST)

    @property
    def kept(self) -> Shapes:
        """By each client, in its memory."""
        return self.shapes(*KEPT)

    @property
    def once(self) -> Shapes:
        """What each client is sent once, and keeps."""
        return self.shapes(Role.ONCE)

    @property
    def server_only(self) -> Shapes:
        """What the server holds and no model does."""
        return self.shapes(Role.SERVER)

    @property
    def held(self) -> Shapes:
        """By the server, as its state."""
        return self.shapes(*HELD)

    @property
    def digest(self) -> str:
        """16 hex digits that change with the method, the layers, the shapes, the scale or the seed."""
        layers = {group.name: group.layers for group in self.groups}
        roles = {**self.plan.roles, HEAD: self.plan.head}
        parts = [self.method, self.plan.adapter, roles, layers, self.head, self.rank, self.scale, self.seed]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def fresh_state(method: Method, manifest: Manifest, t: int) -> State:
    """Make what round t begins with beside the broadcast: the tensors that come from the seed in every round."""
    return State({g.name: method.round_start(t, g, manifest.rank, manifest.seed) for g in manifest.groups})


def state_at_start(method: Method, manifest: Manifest, state: State, t: int) -> State:
    """Complete a state to that with which a round begins, the same bits on the server and on clients.

    Args:
        method: whose `round_start` makes the rest from the seed.
        manifest: the layout, at the rank of the state.
        state: what the server broadcasts, with what a client keeps.
        t: the round, from 1.
    """
    return state.join(fresh_state(method, manifest, t))
