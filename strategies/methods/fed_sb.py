"""Fed-SB: a small matrix between the leading directions of the first update. Singhal et al., 2025, arXiv 2502.15436."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor

from strategies.method import Method
from strategies.methods.common import initial_A
from strategies.plan import Plan, Role, Traits
from strategies.state import Group, Tensors


@dataclass(frozen=True, kw_only=True)
class FedSB(Method):
    """dW = B R A, B = U_r and A = V_r^T of the first full update (LoRA-SB, arXiv 2411.19557); R = sum_n w_n R_n.

    Exact, as dW is linear in R (l, r, r), which alone is trained and sent. The authors decompose -eta sign(G), G the
    gradient of some central rows at W0, and begin with R = S_r. Signs of gradients do not add up over clients, so here
    the triplets are those of the clients' mean gradient itself, found in a round 0, and R = -step S_r: the rank-r part
    of one step of gradient descent. Their scale is alpha / r with alpha = r, so s = 1. Read in the authors' code; of
    the papers only the abstracts and the project's page were to be had.
    """

    name = "fed-sb"
    summary = "r x r matrices between the clients' leading gradient directions, averaged (Fed-SB, arXiv 2502.15436)"

    step: Annotated[float, Ge(0)] = 0.0
    """Length of the first step that R begins with; 0: training starts at W0."""

    @property
    def plan(self) -> Plan:
        roles = {"R": Role.SHARED, "B": Role.ONCE, "A": Role.ONCE}
        return Plan(adapter="core", roles=roles, scaled=False)

    @property
    def traits(self) -> Traits:
        return Traits(steady=True, mean_of_uploads=True, exact=True, from_gradient=True)

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """R = 0; until there is a gradient A is uniform and B has the first axes."""
        B = torch.eye(group.out_features, rank).repeat(len(group.layers), 1, 1)
        return {"R": torch.zeros(len(group.layers), rank, rank), "B": B, "A": initial_A(group, rank, seed)}

    def from_gradient(self, U: Float[Tensor, "l o r"], S: Float[Tensor, "l r"], V: Float[Tensor, "l i r"]) -> Tensors:
        """B = U, A = V^T, R = -step S."""
        return {"R": -self.step * torch.diag_embed(S), "B": U, "A": V.mT}
