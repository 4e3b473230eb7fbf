"""FedProx: FedAvg with a local loss that holds clients near the broadcast. Li et al., MLSys 2020, arXiv 1812.06127."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt
from jaxtyping import Float
from torch import Tensor

from strategies.method import Method
from strategies.methods.common import initial_change
from strategies.plan import Plan, Role, Traits
from strategies.state import Group, State, Tensors


@dataclass(frozen=True, kw_only=True)
class FedProx(Method):
    """Client n minimises F_n(w) + mu/2 ||w - w^t||^2 over its full weights and head; the server averages as FedAvg."""

    name = "fedprox"
    summary = "FedAvg with a proximal term in the local loss (FedProx, arXiv 1812.06127)"

    mu: Annotated[float, Gt(0)] = 0.01
    """Strength of the proximal term."""

    @property
    def plan(self) -> Plan:
        return Plan(adapter="full", roles={"D": Role.SHARED}, scaled=False)

    @property
    def traits(self) -> Traits:
        return Traits(steady=True, mean_of_uploads=True, exact=True, gauge_free=True)

    def penalty(self, rank: int, received: State, now: State) -> Float[Tensor, ""]:
        """mu/2 ||w - w^t||^2 over all that is trained."""
        squares = list(now.zip(received.flat, lambda w, start: (w - start).square().sum()).flat.values())
        return self.mu / 2 * sum(squares[1:], squares[0])

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """D = 0."""
        return initial_change(group)
