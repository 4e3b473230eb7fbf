"""FedIT: LoRA whose factors are averaged one by one. Zhang et al., ICASSP 2024, arXiv 2305.05644."""

from dataclasses import dataclass

from strategies.method import Method
from strategies.methods.common import initial_factors
from strategies.plan import Plan, Role, Traits
from strategies.state import Group, Tensors


@dataclass(frozen=True, kw_only=True)
class FedIT(Method):
    """dW = s B A; B and A averaged separately with the clients' numbers of examples.

    Biased: mean(B) mean(A) differs from mean(B A) by the cross-covariance of the factors.
    """

    name = "fedit"
    summary = "LoRA factors averaged separately (FedIT, arXiv 2305.05644)"

    @property
    def plan(self) -> Plan:
        return Plan(adapter="lora", roles={"A": Role.SHARED, "B": Role.SHARED})

    @property
    def traits(self) -> Traits:
        return Traits(steady=True, from_gradient=True, mean_of_uploads=True)

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """A uniform, B = 0."""
        return initial_factors(group, rank, seed)
