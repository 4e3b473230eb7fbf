"""FedRot-LoRA: uploads turned towards the broadcast factors before averaging. Zhang et al., arXiv 2602.23638."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor

from strategies.linalg import polar, rotation
from strategies.method import Method
from strategies.methods.common import initial_factors
from strategies.plan import Plan, Role, Traits
from strategies.state import Group, Tensors

SINGULAR, NUDGE = 1e-6, 1e-3
"""Below this smallest singular value the soft mixture has no unique polar factor; lambda is then this much smaller."""


@dataclass(frozen=True, kw_only=True)
class FedRotLoRA(Method):
    """dW = s B A; B_n R_n and R_n^T A_n are averaged, with R_n (r, r) orthogonal, so B_n A_n is kept.

    R_n brings A_n (even rounds) or B_n (odd rounds from 3) nearest to the broadcast factor; round 1, whose broadcast B
    is zero, turns nothing. The rotation depends on one upload and the broadcast alone, so the server may do what the
    paper does on the client: the same bytes and the same sum.
    """

    name = "fedrot-lora"
    summary = "LoRA factors turned towards the broadcast, then averaged (FedRot-LoRA, arXiv 2602.23638)"

    rotate_lambda: Annotated[float, Ge(0)] = 1.5
    """Up to 1: polar((1 - lambda) I + lambda R*), R* in SO(r). Above 1: R* in O(r), what the published code runs."""

    @property
    def plan(self) -> Plan:
        return Plan(adapter="lora", roles={"A": Role.SHARED, "B": Role.SHARED})

    @property
    def traits(self) -> Traits:
        """Hard alignment does not see how clients turned their factors."""
        return Traits(steady=True, from_gradient=True, gauge_free=self.rotate_lambda > 1)

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """A uniform, B = 0."""
        return initial_factors(group, rank, seed)

    def contribute(self, t: int, state: Tensors, upload: Tensors) -> Tensors:
        """R^T A_n and B_n R; R = I where the broadcast factor is zero."""
        A, B = upload["A"], upload["B"]
        if t == 1:
            return upload
        aligns_A = t % 2 == 0
        R = self._soft(A @ state["A"].mT if aligns_A else B.mT @ state["B"])
        reference = state["A"] if aligns_A else state["B"]
        has_reference = (reference != 0).any(-1).any(-1)
        R = torch.where(has_reference[:, None, None], R, torch.eye(R.shape[-1], dtype=R.dtype, device=R.device))
        return {"A": R.mT @ A, "B": B @ R}

    def _soft(self, C: Float[Tensor, "l r r"]) -> Float[Tensor, "l r r"]:
        """R_lambda (l, r, r) of the cross product C = A_n A^T or B_n^T B, whose nearest orthogonal matrix is R*."""
        if self.rotate_lambda > 1:
            return polar(C)
        target, unit = rotation(C), torch.eye(C.shape[-1], dtype=C.dtype, device=C.device)

        def mixture(weight: float) -> Float[Tensor, "l r r"]:
            return (1 - weight) * unit + weight * target

        mixed = mixture(self.rotate_lambda)
        singular = torch.linalg.svdvals(mixed)[..., -1:, None] < SINGULAR
        return polar(torch.where(singular, mixture(self.rotate_lambda - NUDGE), mixed))
