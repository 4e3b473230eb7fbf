"""FLoRIST: the factors stacked, cut by energy and merged. Ramesh and Dass, MLSys 2026, arXiv 2506.09199."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt, Le
from jaxtyping import Float
from torch import Tensor

from strategies.linalg import svd_of_product
from strategies.method import Method
from strategies.methods.common import (
    Form,
    append_factors,
    initial_A,
    initial_B,
    plan_with_merged_update,
    side_by_side,
    zero_merged_update,
)
from strategies.plan import Plan, Role, Traits
from strategies.state import Group, Tensors
from strategies.summand import MatrixProduct, Summand


@dataclass(frozen=True, kw_only=True)
class FLoRIST(Method):
    """dW = s (B A + P); of D = sum_n w_n B_n A_n = U S V^T the first p triplets are added to P, then A and B are anew.

    p is the least with S_1^2 + ... + S_p^2 >= energy ||S||^2, for each layer its own; energy = 1 is FLoRA. D is never
    formed while the clients' ranks together are below min(o, i): the paper takes an SVD of each stack and one of the
    small matrix between them, here a QR of each does the same. Every broadcast carries the sum P of all rounds.

    - factored: P = U V, as wide for a layer as the widest of its shape needs, zeros beyond; up to min(o, i).
    - dense: P as W (l, o, i).

    The abstract, a summary and the published code were read; the code merges P into the model and begins LoRA anew.
    """

    name = "florist"
    summary = "LoRA factors stacked, their small singular values dropped, merged (FLoRIST, arXiv 2506.09199)"

    energy: Annotated[float, Gt(0), Le(1)] = 0.9
    """Share of the squared singular values of a layer's mean product that a round keeps at least."""
    base: Form = "factored"
    """Of P."""

    @property
    def plan(self) -> Plan:
        return plan_with_merged_update(self.base, Role.FRESH, Role.FRESH, "examples")

    @property
    def traits(self) -> Traits:
        whole = self.energy == 1
        return Traits(exact=whole, lossy=not whole, gauge_free=True, client_ranks=True, needs="stack")

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """P = 0."""
        return zero_merged_update(group, self.base)

    def round_start(self, t: int, group: Group, rank: int, seed: int) -> Tensors:
        """A uniform, another one each round; B = 0."""
        return {"A": initial_A(group, rank, seed, t), "B": initial_B(group, rank)}

    def influence(self, t: int, state: Tensors, upload: Tensors) -> Summand:
        """The product, which is all that counts."""
        return {"BA": MatrixProduct(upload["B"], upload["A"])}

    def combine(self, t: int, state: Tensors, uploads: Tensors, w: Float[Tensor, " n"]) -> Tensors:
        """P and the leading triplets of D, all of S on the left."""
        U, S, Vh = svd_of_product(*side_by_side(uploads["B"], uploads["A"], w))
        S = energetic(S, self.energy)
        width = int((S > 0).sum(-1).max())
        left, right = (U * S.unsqueeze(-2))[..., :width], Vh[..., :width, :]
        if self.base == "dense":
            return {"W": state["W"] + left @ right}
        return append_factors(state, left, right)


def energetic(S: Float[Tensor, "l q"], energy: float) -> Float[Tensor, "l q"]:
    """Return the singular values, largest first, with zeros for those beyond a share of the sum of their squares.

    >>> import torch
    >>> energetic(torch.tensor([[3.0, 2.0, 1.0], [1.0, 0.0, 0.0]]), 0.9).tolist()
    [[3.0, 2.0, 0.0], [1.0, 0.0, 0.0]]
    """
    before = S.square().cumsum(-1) - S.square()
    return S * (before < energy * S.square().sum(-1, keepdim=True))
