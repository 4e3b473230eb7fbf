"""LoRA-FAIR: the mean of B corrected on the server. Bian et al., ICCV 2025, arXiv 2411.14961."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt
from jaxtyping import Float
from torch import Tensor

from strategies.method import Method
from strategies.methods.common import initial_factors
from strategies.plan import Plan, Role, Traits
from strategies.state import Group, Tensors


@dataclass(frozen=True, kw_only=True)
class LoRAFAIR(Method):
    """dW = s X A with the means A and B of the factors, D = sum_n w_n B_n A_n and X (l, o, r) near B, either

    - similarity, the paper's: minimises 1 - cos(D, X A) + lambda ||X - B||_F^2 from X = B by gradient descent;
    - ridge: minimises ||D - X A||_F^2 + lambda ||X - B||_F^2, X = B + (D - B A) A^T (A A^T + lambda I)^-1.

    The similarity does not see the length of X A, so it turns the update and leaves its size nearly as it was. Both
    need D only as M = D A^T (l, o, r) and ||D||, which the factors give without a matrix of the size of W0.
    """

    name = "lora-fair"
    summary = "LoRA factors averaged, B corrected towards the mean product (LoRA-FAIR, arXiv 2411.14961)"

    solver: Literal["similarity", "ridge"] = "similarity"
    regularization: Annotated[float, Gt(0)] = 0.01
    """lambda"""
    steps: Annotated[int, Ge(1)] = 500
    """Gradient steps of `similarity`."""

    @property
    def plan(self) -> Plan:
        return Plan(adapter="lora", roles={"A": Role.SHARED, "B": Role.SHARED})

    @property
    def traits(self) -> Traits:
        return Traits(steady=True, from_gradient=True, needs="stack")

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """A uniform, B = 0."""
        return initial_factors(group, rank, seed)

    def combine(self, t: int, state: Tensors, uploads: Tensors, w: Float[Tensor, " n"]) -> Tensors:
        """The mean A and the corrected B."""
        A_n, B_n = uploads["A"], uploads["B"]
        A, B = (torch.einsum("n,n...->...", w, stacked) for stacked in (A_n, B_n))
        K = A @ A.mT
        M = torch.einsum("n,nlor,nlrs->los", w, B_n, A_n @ A.mT)
        if self.solver == "ridge":
            ridge = K + self.regularization * torch.eye(K.shape[-1], dtype=K.dtype, device=K.device)
            return {"A": A, "B": B + torch.linalg.solve(ridge, M - B @ K, left=False)}
        return {"A": A, "B": self._most_similar(B, K, M, _norm_of_mean(A_n, B_n, w))}

    def _most_similar(
        self, B: Float[Tensor, "l o r"], K: Float[Tensor, "l r r"], M: Float[Tensor, "l o r"], d: Float[Tensor, " l"]
    ) -> Float[Tensor, "l o r"]:
        """X after gradient descent from B, with K = A A^T and d = ||D|| (l,); B where D or B A is zero.

        cos = <M, X> / (d q) with q^2 = <X K, X>. Its curvature is at most 2 ||K|| / q^2, which sets the step's length.
        """
        X, largest, d = B, torch.linalg.eigvalsh(K)[..., -1, None, None], d[:, None, None]
        for _ in range(self.steps):
            XK = X @ K
            q = _dot(XK, X).sqrt()
            slope = -(M / (d * q) - _dot(M, X) / (d * q**3) * XK) + 2 * self.regularization * (X - B)
            X = X - slope / (2 * largest / q**2 + 2 * self.regularization)
        return torch.where((d > 0) & (_dot(B @ K, B) > 0), X, B)


def _dot(X: Float[Tensor, "l o r"], Y: Float[Tensor, "l o r"]) -> Float[Tensor, "l 1 1"]:
    """<X, Y> of each layer, (l, 1, 1)."""
    return (X * Y).sum((-2, -1), keepdim=True)


def _norm_of_mean(
    A_n: Float[Tensor, "n l r i"], B_n: Float[Tensor, "n l o r"], w: Float[Tensor, " n"]
) -> Float[Tensor, " l"]:
    """||sum_n w_n B_n A_n||_F (l,), from the inner products of the factors."""
    BB = torch.einsum("u,v,ulor,vlos->luvrs", w, w, B_n, B_n)
    return (BB * torch.einsum("ulri,vlsi->luvrs", A_n, A_n)).sum((1, 2, 3, 4)).clamp(min=0).sqrt()
