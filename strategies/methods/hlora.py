"""HLoRA: the mean product decomposed for clients of all ranks. Liu et al., 2025, arXiv 2503.00813."""

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
class HLoRA(Method):
    """dW = s B A; D = sum_n (n_n / n) B_n A_n = U S V^T, then B = U_r S_r^(1/2) and A = S_r^(1/2) V_r^T.

    A client of rank r_n gets the leading r_n rows and columns, the best update of that rank; its upload counts with its
    own product, so that no zeros dilute the mean as in HetLoRA. dW is FlexLoRA's; the factors are balanced, B^T B =
    A A^T, and train differently from there.

    Summaries of the paper were read, which give D and the SVD by client, but not how S is shared out.
    """

    name = "hlora"
    summary = "LoRA products averaged, decomposed for each rank, sqrt(S) on both factors (HLoRA, arXiv 2503.00813)"

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
        """The r leading singular triplets of D, split evenly."""
        r = state["A"].shape[-2]
        U, S, Vh = svd_of_product(*side_by_side(uploads["B"], uploads["A"], w))
        B, A = balanced_factors(U[..., :r], S[..., :r], Vh[..., :r, :])
        return {"A": A, "B": B}
