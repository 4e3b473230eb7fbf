"""HetLoRA: clients of several ranks that prune themselves, weighted by norm. Cho et al., 2024, arXiv 2401.06432."""

from dataclasses import dataclass
from math import floor
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Lt
from jaxtyping import Float
from torch import Tensor

from strategies.method import Method
from strategies.methods.common import initial_factors
from strategies.plan import Plan, Role, Traits
from strategies.state import Group, State, Tensors


@dataclass(frozen=True, kw_only=True)
class HetLoRA(Method):
    """dW_n = s B_n A_n of rank r_n; A = sum_n w_n pad(A_n), B = sum_n w_n pad(B_n), w_n proportional to ||B_n A_n||_F.

    A client gets the first r_n rows of A and columns of B. Its loss has lambda sum_layers ||B[:, q:]|| ||A[q:, :]||,
    q = floor(gamma r_n); where training made that sum smaller, it sends q rows and columns, and has rank q from then
    on. The largest rank stays the server's. `strategy.weighting` replaces the norms.
    """

    name = "hetlora"
    summary = "LoRA of a rank per client, pruned by the client, weighted by norm (HetLoRA, arXiv 2401.06432)"

    gamma: Annotated[float, Gt(0), Lt(1)] = 0.99
    """Of its rank, what a client keeps when it prunes itself."""
    regularization: Annotated[float, Ge(0)] = 0.005
    """lambda: how strongly the loss pulls at what would be pruned."""
    min_rank: Annotated[int, Ge(1)] = 1
    """No client prunes itself below."""

    @property
    def plan(self) -> Plan:
        return Plan(adapter="lora", roles={"A": Role.SHARED, "B": Role.SHARED}, weighting="norm")

    @property
    def traits(self) -> Traits:
        return Traits(steady=True, from_gradient=True, mean_of_uploads=True, client_ranks=True)

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """A uniform, B = 0."""
        return initial_factors(group, rank, seed)

    def penalty(self, rank: int, received: State, now: State) -> Float[Tensor, ""] | None:
        """lambda times the tail; None where there is nothing to prune."""
        q = self._pruned(rank)
        return self.regularization * pruned_tail(now, q) if self.regularization and q < rank else None

    def pruned_rank(self, rank: int, received: State, trained: State) -> int:
        """q where the tail is smaller than it was received."""
        q = self._pruned(rank)
        return q if q < rank and pruned_tail(trained, q) < pruned_tail(received, q) else rank

    def _pruned(self, rank: int) -> int:
        return min(rank, max(self.min_rank, floor(self.gamma * rank)))


def pruned_tail(groups: State, q: int) -> Float[Tensor, ""]:
    """sum over all layers of ||B[:, q:]||_F ||A[q:, :]||_F; where one is 0, its gradient is 0."""
    norm = torch.linalg.matrix_norm
    products = [(norm(a["B"][..., q:]) * norm(a["A"][..., q:, :])).sum() for a in groups.adapters.values()]
    return torch.stack(products).sum()
