"""What a federated method is: a role for every tensor, and two functions around a weighted sum.

Axes are those of `strategies.state`.
"""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from strategies.bases.basis import Fixed
from strategies.plan import Plan, Traits
from strategies.projection import Projection
from strategies.state import FrozenWeights, Group, State, Tensors
from strategies.summand import Summand


class Method(ABC):
    """A federated rule. Subclasses are frozen dataclasses whose fields are the method's own settings.

    Every function works on one shape group and never mutates its inputs; those of the server in float64 on the server's
    device. A rule is a map, a sum and a finish, so that uploads can be folded in as they arrive:

        total = sum_n w_n contribute(t, state, upload_n),  sum_n w_n = 1;     new state = finish(t, state, total)

    A rule that needs all uploads side by side says so in its traits and implements `combine` instead.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for people: the idea and where it is from."""

    @property
    @abstractmethod
    def plan(self) -> Plan:
        """What is trained and sent."""

    @property
    def traits(self) -> Traits:
        """Facts about the rule; those of `Traits()` where nothing else is said."""
        return Traits()

    # Before round 1, on the server and on clients

    def check(self, group: Group, rank: int) -> None:
        """Raise ValueError, naming the group, where the method cannot adapt layers of this shape at this rank."""
        if rank > group.k:
            raise ValueError(
                f"adapter.rank = {rank} exceeds min(out, in) = {group.k} of the layers {group.layers[0]}, ... "
                f"({group.name}); choose adapter.rank <= {group.k}, or other adapter.targets"
            )

    def fixed(self, group: Group, rank: int, seed: int, weights: FrozenWeights) -> Fixed:
        """Make the FIXED tensors of a group and the bases of its parametrisation: the same bits on both sides."""
        return {}

    @abstractmethod
    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """Make all symbols but the FIXED ones as before round 1 and before a client's first, float32."""

    def from_weights(self, group: Group, rank: int, scale: float, weights: FrozenWeights) -> Tensors:
        """Compute initial values from the frozen weights W0, for example by an SVD, where `initial` cannot draw them.

        Only the server needs them, once, before round 1.
        """
        return {}

    def from_gradient(self, U: Float[Tensor, "l o r"], S: Float[Tensor, "l r"], V: Float[Tensor, "l i r"]) -> Tensors:
        """Make the symbols that begin from the leading singular triplets of the clients' mean gradient at the start.

        By default A = V^T / sqrt(3), whose rows have the norm of the usual start's.
        """
        return {"A": V.mT / math.sqrt(3)}

    # In a round, on both sides and on the client

    def plan_at(self, t: int) -> Plan:
        """Return the plan of round t: `plan`, in which symbols that are SHARED may rest as PUSHED, and nothing else."""
        return self.plan

    def active_rank(self, t: int, rank: int) -> int:
        """Return the rank of the factors that travel and are trained in round t, where adapter.rank is `rank`."""
        return rank

    def led_by(self, state: Tensors, rank: int) -> Tensors:
        """Return a state of the same dW whose leading part is what a client of a rank below the largest gets.

        On the server alone. By default the state, whose leading rows and columns that client gets.
        """
        return state

    def own_bases(self, fixed: Fixed, received: Tensors, rank: int) -> Fixed:
        """Return what a client of a rank below the largest has in place of some bases in a round.

        received: what it trains from, zero beyond its rank. By default nothing: its bases are those of all.
        """
        return {}

    def round_start(self, t: int, group: Group, rank: int, seed: int) -> Tensors:
        """Make the FRESH symbols of round t, and FIXED ones that change with the round: the same bits on both sides.

        The server has them in the state that `contribute` and `finish` see, but keeps none of them. float32.
        """
        return {}

    def projection(self) -> Projection | None:
        """Return the low-rank space in which clients' optimizers work on the adapters; None: there is none."""
        return None

    def penalty(self, rank: int, received: State, now: State) -> Float[Tensor, ""] | None:
        """Return a term that a client of this rank adds to its loss, differentiable in `now`; None: no term.

        Both hold all that it trains, as it came and as it is: symbols by group, the head's parameters by name in HEAD.
        """
        return None

    def pruned_rank(self, rank: int, received: State, trained: State) -> int:
        """Return the rank after self-pruning, at most `rank`: the client uploads factors of this rank and keeps it.

        Without pruning the rank stays.
        """
        return rank

    # After a round, on the server; `contribute` on the client where it uploads summands

    def contribute(self, t: int, state: Tensors, upload: Tensors) -> Summand:
        """Return one client's summand; it depends on the broadcast state and that client's upload alone."""
        return upload

    def influence(self, t: int, state: Tensors, upload: Tensors) -> Summand:
        """Return that of an upload on which its influence on the round depends; the norm bound measures its change.

        What leaves it as it is, as an orthogonal matrix between the factors of a product may, is no reason to reject.
        By default the summand; a rule that needs all uploads side by side has none, and its tensors count as they are.
        """
        return self.contribute(t, state, upload)

    def without_noise(self, state: Tensors, total: Tensors, variance: float) -> Tensors:
        """Return the weighted sum without what independent noise on the uploads adds to its expectation.

        variance: of the noise, of mean zero, on every number of every upload. By default the sum as it is: noise on
        factors of their own leaves the expectation of their products, and of all that is linear, as it was.
        """
        return total

    def finish(self, t: int, state: Tensors, total: Tensors) -> Tensors:
        """Return the state after round t, from the weighted sum of the summands."""
        return total

    def combine(self, t: int, state: Tensors, uploads: Tensors, w: Float[Tensor, " n"]) -> Tensors:
        """Return the state after round t from all uploads, each symbol stacked to (n, l, ...); w (n,) sums to 1."""
        raise AssertionError(f"{self.name} needs the sum only")

    def remark(self, group: Group, state: Tensors, new_state: Tensors) -> str:
        """Return a sentence for the run's log on what this step lost for good; empty where there is nothing to say.

        Asked after each round until there is one, of each group; from the tensors alone.
        """
        return ""

    def diagnose(self, state: Tensors, new_state: Tensors) -> dict[str, float]:
        """Return further numbers about this round's step for the report, from the factors alone."""
        return {}
