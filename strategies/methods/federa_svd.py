"""FeDeRA as FLoRG (arXiv 2602.17095, section 4.1) describes it: the mean of the products, decomposed anew."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from strategies.linalg import balanced_factors, svd_of_product
from strategies.method import Method
from strategies.methods.common import initial_factors, side_by_side
from strategies.plan import Plan, Role, Traits
from strategies.state import Group, Tensors
from strategies.summand import MatrixProduct, Summand


@dataclass(frozen=True, kw_only=True)
class FeDeRASVD(Method):
    """dW = s B A; D = (1/n) sum_n B_n A_n = U S V^T, then B = U_r S_r^(1/2) and A = S_r^(1/2) V_r^T: B^T B = A A^T.

    The best update of rank r (Eckart-Young). Needs all uploads: their n r columns and rows side by side carry D, so its
    SVD costs O((o + i)(n r)^2) and n r (o + i) numbers, against O(o i min(o, i)) and o i for a running sum of products.
    Only where n r exceeds min(o, i) is D formed. A mean of rank below r leaves zero rows, which clients cannot revive.
    """

    name = "federa-svd"
    summary = "LoRA products averaged, then decomposed, sqrt(S) on both factors (FeDeRA as FLoRG reads it)"

    @property
    def plan(self) -> Plan:
        return Plan(adapter="lora", roles={"A": Role.SHARED, "B": Role.SHARED}, weighting="uniform")

    @property
    def traits(self) -> Traits:
        return Traits(from_gradient=True, needs="stack", gauge_free=True)

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """A uniform, B = 0."""
        return initial_factors(group, rank, seed)

    def influence(self, t: int, state: Tensors, upload: Tensors) -> Summand:
        """The product, which is all that counts."""
        return {"BA": MatrixProduct(upload["B"], upload["A"])}

    def combine(self, t: int, state: Tensors, uploads: Tensors, w: Float[Tensor, " n"]) -> Tensors:
        """The r leading singular triplets of D, split evenly."""
        r = state["A"].shape[-2]
        U, S, Vh = svd_of_product(*side_by_side(uploads["B"], uploads["A"], w))
        B, A = balanced_factors(U[..., :r], S[..., :r], Vh[..., :r, :])
        return {"A": A, "B": B}
