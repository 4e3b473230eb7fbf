"""FedEx-LoRA: factors averaged, and what that loses added to W0. Singhal et al., ACL 2025, arXiv 2410.09432."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from strategies.linalg import svd_of_product
from strategies.lora import initial_factors, side_by_side
from strategies.method import Group, Method, Plan, Role, Tensors

ROLES = {"A": Role.SHARED, "B": Role.SHARED}
PLANS = {
    "dense": Plan(adapter="lora+dense", roles={**ROLES, "W": Role.PUSHED}, weighting="uniform"),
    "factored": Plan(adapter="lora+factored", roles={**ROLES, "U": Role.PUSHED, "V": Role.PUSHED}, weighting="uniform"),
}


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
    exact = True
    gauge_free = True

    residual: Literal["dense", "factored"] = "dense"

    @property
    def plan(self) -> Plan:  # pyright: ignore[reportIncompatibleVariableOverride]  # depends on a setting
        return PLANS[self.residual]

    @property
    def needs(self) -> Literal["sum", "stack"]:
        return "sum" if self.residual == "dense" else "stack"

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """A uniform, B = 0, P = 0."""
        num_layers, o, i = len(group.layers), group.out_features, group.in_features
        factors = initial_factors(group, rank, seed)
        if self.residual == "dense":
            return {**factors, "W": torch.zeros(num_layers, o, i)}
        return {**factors, "U": torch.zeros(num_layers, o, 0), "V": torch.zeros(num_layers, 0, i)}

    def contribute(self, t: int, state: Tensors, upload: Tensors) -> Tensors:
        """A_n, B_n and their product (l, o, i)."""
        return {**upload, "BA": upload["B"] @ upload["A"]}

    def fold(self, t: int, state: Tensors, upload: Tensors, weight: float, total: Tensors) -> None:
        """The same added to the total without a temporary of the product's size."""
        total["A"].add_(upload["A"], alpha=weight)
        total["B"].add_(upload["B"], alpha=weight)
        total["BA"].baddbmm_(upload["B"], upload["A"], alpha=weight)

    def finish(self, t: int, state: Tensors, total: Tensors) -> Tensors:
        """The means, and W + sum_n w_n B_n A_n - B A."""
        A, B = total["A"], total["B"]
        return {"A": A, "B": B, "W": state["W"] + total["BA"] - B @ A}

    def combine(self, t: int, state: Tensors, uploads: Tensors, w: Tensor) -> Tensors:
        """The means, and U V + sum_{m<n} w_m (B_m - B) (A_m - A_n) in factors at most min(o, i) wide."""
        A_n, B_n = uploads["A"], uploads["B"]
        A, B = (torch.einsum("n,n...->...", w, stacked) for stacked in (A_n, B_n))
        U_t, V_t = side_by_side(B_n[:-1] - B, A_n[:-1] - A_n[-1], w[:-1])
        U, V = torch.cat([state["U"], U_t], -1), torch.cat([state["V"], V_t], -2)
        if U.shape[-1] > min(U.shape[-2], V.shape[-1]):
            X, S, Yh = svd_of_product(U, V)
            root = S.sqrt()
            U, V = X * root.unsqueeze(-2), root.unsqueeze(-1) * Yh
        return {"A": A, "B": B, "U": U, "V": V}
