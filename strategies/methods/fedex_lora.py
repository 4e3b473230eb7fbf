"""FedEx-LoRA: factors averaged, and what that loses added to W0. Singhal et al., ACL 2025, arXiv 2410.09432."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from strategies.method import Method
from strategies.methods.common import (
    Form,
    append_factors,
    initial_factors,
    plan_with_merged_update,
    side_by_side,
    zero_merged_update,
)
from strategies.plan import Plan, Role, Traits
from strategies.state import Group, Tensors
from strategies.summand import MatrixProduct, Summand


@dataclass(frozen=True, kw_only=True)
class FedExLoRA(Method):
    """dW = s (B A + P) with P += sum_n w_n B_n A_n - B A, where B and A are the means: exact.

    Every broadcast carries the sum P of all rounds, so that a client needs none of the earlier ones.

    - dense: P as W (l, o, i), the paper's; a running sum.
    - factored: P = U V with the exact factors of a round (n - 1) r wide, which adds up over the rounds; beyond
      min(o, i) U V is decomposed anew at that width, without loss. Cheaper than dense for o i / (o + i) columns.
    """

    name = "fedex-lora"
    summary = "LoRA factors averaged, the residual of the product added to W0 (FedEx-LoRA, arXiv 2410.09432)"

    residual: Form = "dense"

    @property
    def plan(self) -> Plan:
        return plan_with_merged_update(self.residual, Role.SHARED, Role.SHARED, "uniform")

    @property
    def traits(self) -> Traits:
        return Traits(
            steady=True,
            from_gradient=True,
            exact=True,
            gauge_free=True,
            needs="sum" if self.residual == "dense" else "stack",
        )

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """A uniform, B = 0, P = 0."""
        return {**initial_factors(group, rank, seed), **zero_merged_update(group, self.residual)}

    def contribute(self, t: int, state: Tensors, upload: Tensors) -> Summand:
        """A_n, B_n and their product (l, o, i)."""
        return {**upload, "BA": MatrixProduct(upload["B"], upload["A"])}

    def finish(self, t: int, state: Tensors, total: Tensors) -> Tensors:
        """The means, and W + sum_n w_n B_n A_n - B A."""
        A, B = total["A"], total["B"]
        return {"A": A, "B": B, "W": state["W"] + total["BA"] - B @ A}

    def combine(self, t: int, state: Tensors, uploads: Tensors, w: Float[Tensor, " n"]) -> Tensors:
        """The means, and U V + sum_{m<n} w_m (B_m - B) (A_m - A_n) in factors at most min(o, i) wide."""
        A_n, B_n = uploads["A"], uploads["B"]
        A, B = (torch.einsum("n,n...->...", w, stacked) for stacked in (A_n, B_n))
        U_t, V_t = side_by_side(B_n[:-1] - B, A_n[:-1] - A_n[-1], w[:-1])
        return {"A": A, "B": B, **append_factors(state, U_t, V_t)}
