"""FlexLoRA: the mean of the products, decomposed anew. Bai et al., NeurIPS 2024, arXiv 2402.11505."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from strategies.linalg import svd_of_product
from strategies.method import Method
from strategies.methods.common import initial_factors, side_by_side
from strategies.plan import Plan, Role, Traits
from strategies.state import Group, Tensors
from strategies.summand import MatrixProduct, Summand


@dataclass(frozen=True, kw_only=True)
class FlexLoRA(Method):
    """dW = s B A; D = sum_n w_n B_n A_n = U S V^T, then B = U_r S_r and A = V_r^T, whose rows are orthonormal.

    The best update of rank r; a client of rank r_n gets the leading r_n triplets, the best update of that rank. The
    scale belongs before the SVD; with one scale for clients of all ranks it cancels.
    Needs all uploads: see `FeDeRASVD`, which differs in the weights and in how S is shared out.
    """

    name = "flexlora"
    summary = "LoRA products averaged, then decomposed, S on B (FlexLoRA, arXiv 2402.11505)"

    @property
    def plan(self) -> Plan:
        return Plan(adapter="lora", roles={"A": Role.SHARED, "B": Role.SHARED})

    @property
    def traits(self) -> Traits:
        return Traits(from_gradient=True, needs="stack", client_ranks=True, gauge_free=True)

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """A uniform, B = 0."""
        return initial_factors(group, rank, seed)

    def influence(self, t: int, state: Tensors, upload: Tensors) -> Summand:
        """The product, which is all that counts."""
        return {"BA": MatrixProduct(upload["B"], upload["A"])}

    def combine(self, t: int, state: Tensors, uploads: Tensors, w: Float[Tensor, " n"]) -> Tensors:
        """The r leading singular triplets of D, all of S on B."""
        r = state["A"].shape[-2]
        U, S, Vh = svd_of_product(*side_by_side(uploads["B"], uploads["A"], w))
        return {"A": Vh[..., :r, :], "B": U[..., :r] * S[..., None, :r]}
