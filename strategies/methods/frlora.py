"""FRLoRA: LoRA that starts each round from the principal part of W0, its change merged. Yan et al., ICLR 2025."""

from dataclasses import dataclass

import torch

from strategies.bases.basis import Fixed
from strategies.method import Method
from strategies.methods.common import (
    Form,
    append_factors,
    plan_with_merged_update,
    zero_merged_update,
)
from strategies.methods.principal import principal_fixed, principal_start
from strategies.plan import Plan, Role, Traits
from strategies.state import FrozenWeights, Group, Tensors


@dataclass(frozen=True, kw_only=True)
class FRLoRA(Method):
    """W = W0 - s B0 A0 + s (B A + P), s B0 A0 = U_r S_r V_r^T of W0; each round begins at (A0, B0), P += B A - B0 A0.

    B and A are the means of what clients made of B0 and A0, one by one. Their difference has rank 2 r, and the ranks
    add up over the rounds; the common start of each round holds the clients together. Every broadcast carries the sum P
    of all rounds, and A0 and B0, which clients need not decompose W0 for and which may be new to one.

    - dense: P as W (l, o, i). factored: P = U V, 2 r wider each round until min(o, i).

    The abstract (openreview e0rQRMUhs7) and the published code were read. The code averages with equal weights.
    """

    name = "frlora"
    summary = "LoRA from the principal components of W0 each round, its change merged (FRLoRA, ICLR 2025)"

    base: Form = "dense"

    @property
    def plan(self) -> Plan:
        return plan_with_merged_update(self.base, Role.SHARED, Role.SHARED, "uniform")

    @property
    def traits(self) -> Traits:
        return Traits(mean_of_uploads=True)

    def fixed(self, group: Group, rank: int, seed: int, weights: FrozenWeights) -> Fixed:
        """Factors of s B0 A0, which the frozen weight loses."""
        return principal_fixed(group, rank, weights)

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """P = 0."""
        return zero_merged_update(group, self.base)

    def from_weights(self, group: Group, rank: int, scale: float, weights: FrozenWeights) -> Tensors:
        """A0 and B0, the scale shared out by a power of two as in FeDeRA."""
        return principal_start(group, rank, scale, weights)

    def finish(self, t: int, state: Tensors, total: Tensors) -> Tensors:
        """A0 and B0 again, and P + B A - B0 A0; the state that a round begins with is (A0, B0)."""
        (A0, B0), (A, B) = ((of["A"], of["B"]) for of in (state, total))
        start = {"A": A0, "B": B0}
        if self.base == "dense":
            return {**start, "W": state["W"] + B @ A - B0 @ A0}
        return {**start, **append_factors(state, torch.cat([B, -B0], -1), torch.cat([A, A0], -2))}
