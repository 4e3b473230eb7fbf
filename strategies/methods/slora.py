"""SLoRA: sparse fine-tuning first, LoRA from what it found. Babakniya et al., 2023, arXiv 2308.06522."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt, Le
from jaxtyping import Int
from torch import Tensor

from strategies.bases.basis import Fixed
from strategies.linalg import svd
from strategies.method import Method
from strategies.methods.common import initial_B
from strategies.parametrisation import scattered
from strategies.plan import Plan, Role, Traits
from strategies.rng import generator
from strategies.state import FrozenWeights, Group, Tensors


@dataclass(frozen=True, kw_only=True)
class SLoRA(Method):
    """dW = s (B A + P) with P sparse, its values S (l, m) at places M (l, m) that all clients draw from the seed.

    Stage 1, `rounds` rounds: A and B are zero, of rank 0 on the wire; S is trained and averaged. Its last round ends
    with P = U S V^T, B = U_r S_r and A = V_r^T, the best update of rank r on the untouched W0; the aggregation error of
    that round is what this loses. Stage 2: S has no values, A and B are trained and averaged one by one (FedIT).
    """

    name = "slora"
    summary = "sparse weights first, then LoRA from their decomposition (SLoRA, arXiv 2308.06522)"

    rounds: Annotated[int, Ge(1)] = 5
    """Of stage 1."""
    density: Annotated[float, Gt(0), Le(1)] = 0.01
    """Share of the weights that stage 1 trains; one of each layer at least."""

    @property
    def plan(self) -> Plan:
        roles = {"A": Role.SHARED, "B": Role.SHARED, "S": Role.SHARED, "M": Role.FIXED}
        return Plan(adapter="lora+sparse", roles=roles)

    @property
    def traits(self) -> Traits:
        return Traits(mean_of_uploads=True)

    def active_rank(self, t: int, rank: int) -> int:
        """0 in stage 1: pairs of zeros neither travel nor train."""
        return 0 if t <= self.rounds else rank

    def fixed(self, group: Group, rank: int, seed: int, weights: FrozenWeights) -> Fixed:
        """M."""
        return {"M": places(group, self.density, seed)}

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """All zero."""
        A = torch.zeros(len(group.layers), rank, group.in_features)
        return {"A": A, "B": initial_B(group, rank), "S": torch.zeros(places(group, self.density, seed).shape)}

    def round_start(self, t: int, group: Group, rank: int, seed: int) -> Tensors:
        """M again for the server, from the round on that ends with the decomposition."""
        return {"M": places(group, self.density, seed)} if t >= self.rounds else {}

    def finish(self, t: int, state: Tensors, total: Tensors) -> Tensors:
        """The means; from them A, B and no S when stage 1 ends, which a skipped round can put off."""
        if t < self.rounds or not total["S"].shape[-1]:
            return total
        (r, i), o = state["A"].shape[-2:], state["B"].shape[-2]
        U, S, Vh = svd(scattered(total["S"], state["M"], (o, i)))
        return {"A": Vh[..., :r, :], "B": U[..., :r] * S[..., None, :r], "S": total["S"][..., :0]}


def places(group: Group, density: float, seed: int) -> Int[Tensor, "l m"]:
    """M (l, m) int64, ascending: m = max(1, round(density o i)) different places of each layer, row x i + column."""
    return torch.from_numpy(drawn_places(group, density, seed))


@lru_cache(maxsize=16)
def drawn_places(group: Group, density: float, seed: int) -> Int[np.ndarray, "l m"]:
    """M as an array, kept: both sides need it again and again."""
    size = group.out_features * group.in_features
    count, rng = max(1, round(density * size)), generator(seed, "places", group.name)
    return np.stack([np.sort(rng.choice(size, count, replace=False)) for _ in group.layers])
