"""FeDeRA: LoRA that starts from the principal components of W0. Yan et al., arXiv 2404.18848."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from strategies.bases.basis import Fixed
from strategies.bases.pair import one_thread
from strategies.linalg import svd
from strategies.method import Method, Plan, Role, Traits
from strategies.state import FrozenWeights, Group, Tensors


@dataclass(frozen=True, kw_only=True)
class FeDeRA(Method):
    """W = W0 - P + s B A, with P = U_r S_r V_r^T of W0; B and A start at s B A = P and are averaged one by one.

    The server broadcasts the start. Clients need only the product P, on which the signs of an SVD have no bearing.
    """

    name = "federa"
    summary = "LoRA from the principal components of W0, factors averaged (FeDeRA, arXiv 2404.18848)"

    @property
    def plan(self) -> Plan:
        return Plan(adapter="lora", roles={"A": Role.SHARED, "B": Role.SHARED})

    @property
    def traits(self) -> Traits:
        return Traits(steady=True, mean_of_uploads=True)

    def fixed(self, group: Group, rank: int, seed: int, weights: FrozenWeights) -> Fixed:
        """B0 (l, o, r) and A0 (l, r, i) with B0 A0 = P, which the frozen weight loses."""
        B0, A0 = _principal(weights(group), rank)
        return {"A0": A0.float(), "B0": B0.float()}

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """Nothing comes from the seed."""
        return {}

    def from_weights(self, group: Group, rank: int, scale: float, weights: FrozenWeights) -> Tensors:
        """A = A0 / c and B = c B0 / s, c the power of two nearest to sqrt(s); c = sqrt(s) is PEFT's "pissa".

        So s B A and B0 A0 round alike in half precision and cancel there too; with another c each of them would be
        wrong by a rounding error of its own.
        """
        B0, A0 = _principal(weights(group), rank)
        c = 2.0 ** round(math.log2(scale) / 2)
        return {"A": (A0 / c).float(), "B": (c * B0 / scale).float()}


def _principal(W0: Float[Tensor, "l o i"], rank: int) -> tuple[Float[Tensor, "l o r"], Float[Tensor, "l r i"]]:
    """(U_r S_r^(1/2), S_r^(1/2) V_r^T) of W0 (l, o, i), float64 on the CPU."""
    with one_thread():
        U, S, Vh = svd(W0.cpu().double())
    root = S[..., :rank].sqrt()
    return U[..., :rank] * root.unsqueeze(-2), root.unsqueeze(-1) * Vh[..., :rank, :]
