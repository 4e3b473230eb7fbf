"""FLoRA: the factors stacked and merged, begun anew each round. Wang et al., NeurIPS 2024, arXiv 2409.05976."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

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
class FLoRA(Method):
    """dW = s (B A + P) with P += sum_n w_n B_n A_n after a round, which the next one begins with another A and B = 0.

    Exact, as the stack [w_1 B_1 ... w_n B_n] [A_1; ...; A_n] is the mean of the products. Every broadcast carries the
    sum P of all rounds, so that a client needs none of the earlier ones; A and B come from the seed and are not sent.
    A client of rank r_n begins with the first r_n rows of A; P does not depend on its rank.
    """

    name = "flora"
    summary = "LoRA factors stacked and merged, begun anew each round (FLoRA, arXiv 2409.05976)"

    base: Form = "dense"
    """Of P: dense, a running sum; factored, the stacks of all rounds, sum_n r_n wider each until min(o, i)."""

    @property
    def plan(self) -> Plan:
        return plan_with_merged_update(self.base, Role.FRESH, Role.FRESH, "examples")

    @property
    def traits(self) -> Traits:
        needs = "sum" if self.base == "dense" else "stack"
        return Traits(exact=True, gauge_free=True, client_ranks=True, needs=needs)

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """P = 0."""
        return zero_merged_update(group, self.base)

    def round_start(self, t: int, group: Group, rank: int, seed: int) -> Tensors:
        """A uniform, another one each round; B = 0."""
        return {"A": initial_A(group, rank, seed, t), "B": initial_B(group, rank)}

    def contribute(self, t: int, state: Tensors, upload: Tensors) -> Summand:
        """B_n A_n (l, o, i)."""
        return {"BA": MatrixProduct(upload["B"], upload["A"])}

    def finish(self, t: int, state: Tensors, total: Tensors) -> Tensors:
        """W + sum_n w_n B_n A_n."""
        return {"W": state["W"] + total["BA"]}

    def combine(self, t: int, state: Tensors, uploads: Tensors, w: Float[Tensor, " n"]) -> Tensors:
        """U V + the stack of the round, without the rows of A that are zero in all layers: the padding of low ranks."""
        B_st, A_st = side_by_side(uploads["B"], uploads["A"], w)
        trained = A_st.any(-1).any(0)
        return append_factors(state, B_st[..., trained], A_st[:, trained])
