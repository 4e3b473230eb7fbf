"""FedSVD: B trained with A frozen, then both made anew by an SVD. Lee et al., NeurIPS 2025, arXiv 2505.12805."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from strategies.linalg import svd_of_product
from strategies.method import Method
from strategies.methods.common import initial_factors
from strategies.plan import Plan, Role, Traits
from strategies.state import Group, Tensors


@dataclass(frozen=True, kw_only=True)
class FedSVD(Method):
    """dW = s B A; clients train B (l, o, r); of the mean B and B A = U S V^T, A becomes V_r^T and B U_r S_r.

    Exact: B A has rank r at most, and dW is linear in B. The rows of A are orthonormal from round 2 on, so that the
    gradient of B is bounded by that of dW, which noise on clients then drowns less. With B = 0 they span what those of
    A did. The paper's abstract and the published code were read; the paper's clients run DP-SGD, where here the noise
    is that of `privacy.*`.
    """

    name = "fedsvd"
    summary = "LoRA's B averaged, A made orthonormal by an SVD of B A (FedSVD, arXiv 2505.12805)"

    every: Annotated[int, Ge(1)] = 1
    """Rounds from one SVD to the next; in between A stays, as in FFA-LoRA."""

    @property
    def plan(self) -> Plan:
        return Plan(adapter="lora", roles={"A": Role.PUSHED, "B": Role.SHARED})

    @property
    def traits(self) -> Traits:
        return Traits(from_gradient=True, mean_of_uploads=True, exact=True, rebased=True)

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """A uniform, B = 0."""
        return initial_factors(group, rank, seed)

    def finish(self, t: int, state: Tensors, total: Tensors) -> Tensors:
        """B A decomposed anew, every so many rounds; r x r matrices and thin QRs alone."""
        A, B = state["A"], total["B"]
        if t % self.every:
            return {"A": A, "B": B}
        U, S, Vh = svd_of_product(B, A)
        return {"A": Vh, "B": U * S.unsqueeze(-2)}
