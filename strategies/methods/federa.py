"""FeDeRA: LoRA that starts from the principal components of W0. Yan et al., arXiv 2404.18848."""

from dataclasses import dataclass

from strategies.bases.basis import Fixed
from strategies.method import Method
from strategies.methods.principal import principal_fixed, principal_start
from strategies.plan import Plan, Role, Traits
from strategies.state import FrozenWeights, Group, Tensors


@dataclass(frozen=True, kw_only=True)
class FeDeRA(Method):
    """W = W0 - P + s B A, with P = U_r S_r V_r^T of W0; B and A start at s B A = P and are averaged one by one.

    The server broadcasts the start. Clients need only the product P, on which the signs of an SVD have no bearing.
    """

    name = "federa"
    summary = "LoRA from the principal components of W0, factors averaged (FeDeRA, arXiv 2404.18848)"

    @property
    def plan(self) -> Plan:
        return Plan(adapter="lora", roles={"A": Role.SHARED, "B": Role.SHARED})

    @property
    def traits(self) -> Traits:
        return Traits(steady=True, mean_of_uploads=True)

    def fixed(self, group: Group, rank: int, seed: int, weights: FrozenWeights) -> Fixed:
        """B0 (l, o, r) and A0 (l, r, i) with B0 A0 = P, which the frozen weight loses."""
        return principal_fixed(group, rank, weights)

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """Nothing comes from the seed."""
        return {}

    def from_weights(self, group: Group, rank: int, scale: float, weights: FrozenWeights) -> Tensors:
        """A = A0 / c and B = c B0 / s, c a power of two."""
        return principal_start(group, rank, scale, weights)
