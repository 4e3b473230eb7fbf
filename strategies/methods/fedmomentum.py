"""FedMomentum: the mean product's leading part as factors, its rest merged. Yan et al., 2026, arXiv 2603.08014."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from strategies.linalg import balanced_factors, svd_of_product
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
class FedMomentum(Method):
    """dW = s (B A + P); of D = sum_n w_n B_n A_n = U S V^T, B = U_r S_r^(1/2), A = S_r^(1/2) V_r^T, P += D - B A.

    Exact, and the factors go on in the directions that the clients share most, where FLoRA begins them anew and FedEx's
    are the means: what the paper calls momentum. Every broadcast carries the sum P of all rounds.

    - factored: P = U V, wider by what a round's D has above rank r until min(o, i). No matrix of size o x i is formed
      while the clients' factors side by side are narrower than that.
    - dense: P as W (l, o, i).

    The abstract and summaries of the paper were read, not its equations: that S is shared out evenly is taken from
    federa-svd, and weights by examples from FedIT. Its randomised SVD is a shortcut that QRs of the factors replace.
    """

    name = "fedmomentum"
    summary = "LoRA's mean product decomposed, its rest added to W0 (FedMomentum, arXiv 2603.08014)"

    residual: Form = "factored"

    @property
    def plan(self) -> Plan:
        return plan_with_merged_update(self.residual, Role.SHARED, Role.SHARED, "examples")

    @property
    def traits(self) -> Traits:
        return Traits(from_gradient=True, exact=True, gauge_free=True, needs="stack")

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """A uniform, B = 0, P = 0."""
        return {**initial_factors(group, rank, seed), **zero_merged_update(group, self.residual)}

    def influence(self, t: int, state: Tensors, upload: Tensors) -> Summand:
        """The product, which is all that counts."""
        return {"BA": MatrixProduct(upload["B"], upload["A"])}

    def combine(self, t: int, state: Tensors, uploads: Tensors, w: Float[Tensor, " n"]) -> Tensors:
        """The r leading triplets of D as factors, the others to P."""
        r = state["A"].shape[-2]
        left, right = balanced_factors(*svd_of_product(*side_by_side(uploads["B"], uploads["A"], w)))
        factors = {"A": right[..., :r, :], "B": left[..., :r]}
        rest_left, rest_right = left[..., r:], right[..., r:, :]
        if self.residual == "dense":
            return {**factors, "W": state["W"] + rest_left @ rest_right}
        return {**factors, **append_factors(state, rest_left, rest_right)}
