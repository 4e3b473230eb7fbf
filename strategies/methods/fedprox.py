"""FedProx: FedAvg with a local loss that holds clients near the broadcast. Li et al., MLSys 2020, arXiv 1812.06127."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt
from jaxtyping import Float
from torch import Tensor

from strategies.method import Method, Plan, Role
from strategies.methods.common import initial_change
from strategies.state import ByGroup, Group, Tensors, flatten


@dataclass(frozen=True, kw_only=True)
class FedProx(Method):
    """Client n minimises F_n(w) + mu/2 ||w - w^t||^2 over its full weights and head; the server averages as FedAvg."""

    name = "fedprox"
    summary = "FedAvg with a proximal term in the local loss (FedProx, arXiv 1812.06127)"
    plan = Plan(adapter="full", roles={"D": Role.SHARED}, scaled=False)
    mean_of_uploads = True
    exact = True
    gauge_free = True

    mu: Annotated[float, Gt(0)] = 0.01
    """Strength of the proximal term."""

    def penalty(self, rank: int, received: ByGroup, now: ByGroup) -> Float[Tensor, ""]:
        """mu/2 ||w - w^t||^2 over all that is trained."""
        before, after = flatten(received), flatten(now)
        squares = [(after[key] - before[key]).square().sum() for key in after]
        return self.mu / 2 * sum(squares[1:], squares[0])

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """D = 0."""
        return initial_change(group)
