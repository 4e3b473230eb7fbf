"""Fed-RAC-LoRA: a chain of LoRA blocks with random frozen A. Malinovsky et al., arXiv 2410.08305."""

from dataclasses import dataclass

from strategies.bases.basis import Fixed
from strategies.method import Method
from strategies.methods.common import (
    Form,
    append_factors,
    initial_A,
    initial_B,
    plan_with_merged_update,
    zero_merged_update,
)
from strategies.plan import Plan, Role, Traits
from strategies.state import FrozenWeights, Group, Tensors


@dataclass(frozen=True, kw_only=True)
class RACLoRA(Method):
    """dW = s (B A_t + P), A_t (l, r, i) drawn from the seed in every round and frozen, B trained from 0; P += B A_t.

    Exact, as dW is linear in B. Unlike FFA-LoRA's, the row space changes with the round, so all of W0 can move. Every
    broadcast carries the sum P of all rounds, so that a client needs none of the earlier ones; up go B alone.
    """

    name = "rac-lora"
    summary = "LoRA with A frozen anew each round, B merged (Fed-RAC-LoRA, arXiv 2410.08305)"

    base: Form = "dense"
    """Of P: dense, or factored, r wider each round until min(o, i)."""

    @property
    def plan(self) -> Plan:
        return plan_with_merged_update(self.base, Role.FIXED, Role.FRESH, "examples")

    @property
    def traits(self) -> Traits:
        return Traits(mean_of_uploads=True, exact=True)

    def fixed(self, group: Group, rank: int, seed: int, weights: FrozenWeights) -> Fixed:
        """A_1, which vouches for the draws of the later rounds."""
        return {"A": initial_A(group, rank, seed, 1)}

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """P = 0."""
        return zero_merged_update(group, self.base)

    def round_start(self, t: int, group: Group, rank: int, seed: int) -> Tensors:
        """A_t uniform, B = 0."""
        return {"A": initial_A(group, rank, seed, t), "B": initial_B(group, rank)}

    def finish(self, t: int, state: Tensors, total: Tensors) -> Tensors:
        """P + B A_t with the mean B."""
        A, B = state["A"], total["B"]
        return {"W": state["W"] + B @ A} if self.base == "dense" else append_factors(state, B, A)
