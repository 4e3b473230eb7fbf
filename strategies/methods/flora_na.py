"""FLoRA-NA: factors mixed so that they multiply to about the mean product. Nguyen et al., arXiv 2509.26399."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor

from strategies.method import Method
from strategies.methods.common import initial_factors
from strategies.plan import Plan, Role, Traits
from strategies.state import Group, Tensors


@dataclass(frozen=True, kw_only=True)
class FLoRANA(Method):
    """dW = s B A with A = sum_n p_n A_n, B = sum_n q_n B_n and p, q (n,) of each layer minimising ||B A - D||_F, where
    D = sum_n w_n B_n A_n.

    Alternating least squares from p = q = w, so never farther from D than FedIT's means: with A held, B A is linear in
    q, and the n equations need inner products of the factors only. The factors stay in the clients' span; the SVD of D
    comes nearer still at the same rank.
    """

    name = "flora-na"
    summary = "LoRA factors mixed so that their product is nearly the mean product (FLoRA-NA, arXiv 2509.26399)"

    steps: Annotated[int, Ge(1)] = 20
    """Least-squares problems solved for q and for p, in turn."""

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
        """The mixed factors; a client of weight 0 does not take part."""
        A_n, B_n, w = uploads["A"][w > 0], uploads["B"][w > 0], w[w > 0]
        AA = torch.einsum("ulri,vlsi->luvrs", A_n, A_n)  # A_u A_v^T
        BB = torch.einsum("ulor,vlos->luvrs", B_n, B_n)  # B_u^T B_v
        p = w.expand(A_n.shape[1], -1)
        q = p
        for _ in range(self.steps):
            q = _least_squares(p, AA, BB, w)
            p = _least_squares(q, BB, AA, w)
        return {"A": torch.einsum("ln,nlri->lri", p, A_n), "B": torch.einsum("ln,nlor->lor", q, B_n)}


def _least_squares(
    p: Float[Tensor, "l n"], held: Float[Tensor, "l n n r r"], free: Float[Tensor, "l n n r r"], w: Float[Tensor, " n"]
) -> Float[Tensor, "l n"]:
    """The weights (l, n) of the free factors that minimise ||B A - D||_F for the weights p (l, n) of the held ones.

    The normal equations G q = h, G_uv = <B_u A, B_v A> and h_u = <B_u A, D>, from the inner products (l, n, n, r, r) of
    the factors; the solution of least norm, as clients may depend on each other linearly. The weights w where every
    product is zero.
    """
    crossed = torch.einsum("lv,lvnrs->lnrs", p, held)  # A A_n^T
    G = torch.einsum("luvrs,lrs->luv", free, torch.einsum("ln,lnrs->lrs", p, crossed))
    h = torch.einsum("lunrs,lnrs,n->lu", free, crossed, w)
    rtol = G.shape[-1] * free.shape[-1] * torch.finfo(G.dtype).eps
    q = (torch.linalg.pinv(G, rtol=rtol, hermitian=True) @ h.unsqueeze(-1)).squeeze(-1)
    return torch.where((G != 0).flatten(-2).any(-1, keepdim=True), q, w)
