"""What a method trains and sends, and what its rule keeps, needs and allows: as data, which both sides read."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Weighting = Literal["uniform", "examples", "norm"]
"""A client's weight: 1, its number of examples, or the norm of its update."""


class Role(StrEnum):
    """Who trains a tensor, where it lives, and whether it travels."""

    SHARED = "shared"  # trained by clients, up and down
    LOCAL = "local"  # trained by one client, which keeps it; never leaves it
    REPORTED = "reported"  # as LOCAL, and up: the server holds a mean to evaluate, which it sends to nobody
    FIXED = "fixed"  # rebuilt from the seed on both sides, checked by fingerprint
    PUSHED = "pushed"  # made by the server, down only
    ONCE = "once"  # made by the server before round 1, down only, once to each client, which keeps it
    FRESH = "fresh"  # begun anew each round from the seed on both sides, trained by clients, up only
    SERVER = "server"  # made and kept by the server alone, beside a symbol whose shape it has; never travels


TRAINED = (Role.SHARED, Role.LOCAL, Role.REPORTED, Role.FRESH)
"""By the clients."""

UPLOADED = (Role.SHARED, Role.REPORTED, Role.FRESH)
BROADCAST = (Role.SHARED, Role.PUSHED)

KEPT = (Role.LOCAL, Role.REPORTED)
"""By each client from round to round, in its own memory."""

HELD = (Role.SHARED, Role.REPORTED, Role.PUSHED, Role.ONCE, Role.SERVER)
"""By the server, as its state."""

FILLED = (Role.SHARED, Role.REPORTED, Role.PUSHED, Role.ONCE)
"""In a model from the server's state: all that it holds but what is its own alone."""


@dataclass(frozen=True)
class Plan:
    """What a method trains and sends, as data; both sides read it.

    >>> plan = Plan("lora", {"A": Role.FIXED, "B": Role.SHARED})
    >>> plan.named(*UPLOADED), plan.has_global_model
    (('B',), True)
    """

    adapter: str
    """Key of `strategies.parametrisation.PARAMETRISATIONS`."""
    roles: Mapping[str, Role]
    """The role of each symbol of the adapter, and SERVER for what the server keeps beside one, such as "A.momentum"."""
    weighting: Weighting = "examples"
    """Aggregation weights of the paper, normalised to sum 1."""
    head: Role = Role.SHARED
    scaled: bool = True
    """Whether dW carries the scale alpha / rank; False: s = 1."""
    targets: Literal["attention", "mlp-up"] = "attention"
    """What is adapted unless adapter.targets says otherwise: attention query and value, or the MLP up-projection."""
    beside_head: tuple[str, ...] = ()
    """What the server keeps beside the head, each of its size, such as "momentum"."""

    def named(self, *roles: Role) -> tuple[str, ...]:
        """The symbols of these roles, in declaration order."""
        return tuple(symbol for symbol, role in self.roles.items() if role in roles)

    @property
    def has_global_model(self) -> bool:
        """Whether the server's state makes a whole model: no client keeps a part of it to itself."""
        return Role.LOCAL not in (*self.roles.values(), self.head)


@dataclass(frozen=True)
class Traits:
    """Facts about a method, as data: what its rule keeps, needs and allows.

    >>> Traits(exact=True, needs="stack").client_ranks
    False
    """

    exact: bool = False
    """Whether dW_new == sum_n w_n dW_n for any uploads."""
    lossy: bool = False
    """Whether a step may drop a part even of the update of a client that is alone."""
    gauge_free: bool = False
    """Whether dW_new is unchanged when each client turns its factors by its own orthogonal matrix (after round 1)."""
    mean_of_uploads: bool = False
    """Whether `contribute` is the identity, so that what one upload adds to the sum is as bounded as the upload."""
    needs: Literal["sum", "stack"] = "sum"
    """Whether uploads are folded in as they arrive, or `combine` has them side by side."""
    client_ranks: bool = False
    """Whether clients may have ranks of their own, below the largest."""
    keeps_rest: bool = False
    """Whether what a client of a lower rank was not sent counts for it as it is in the state; else as zero."""
    from_gradient: bool = False
    """Whether it can begin from the leading directions of the clients' mean gradient, see `Method.from_gradient`."""
    steady: bool = False
    """Whether unchanged uploads leave the factors as they are: what one could not carry then belongs to the next."""
    rebased: bool = False
    """Whether a step gives what clients train other coordinates: no direction of one round is one of the next."""
    roles_by_round: bool = False
    """Whether `plan_at` differs from round to round, so that what a client trained in one may rest in the next."""
    pooled: bool = False
    """Whether the client of partition 0 has the training rows of all clients and is the only one asked."""
