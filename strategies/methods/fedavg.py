"""FedAvg on the full weights of the adapted layers. McMahan et al., AISTATS 2017, arXiv 1602.05629."""

from dataclasses import dataclass

from strategies.method import Method
from strategies.methods.common import initial_change
from strategies.plan import Plan, Role, Traits
from strategies.state import Group, Tensors


@dataclass(frozen=True, kw_only=True)
class FedAvg(Method):
    """W = sum_n w_n W_n for the layers of adapter.targets, as D = W - W0; w_n by numbers of examples.

    What low rank saves is measured against this. Weight decay acts on D: it pulls towards W0, not towards 0.
    """

    name = "fedavg"
    summary = "full weights of the adapted layers averaged (FedAvg, arXiv 1602.05629)"

    @property
    def plan(self) -> Plan:
        return Plan(adapter="full", roles={"D": Role.SHARED}, scaled=False)

    @property
    def traits(self) -> Traits:
        return Traits(steady=True, mean_of_uploads=True, exact=True, gauge_free=True)

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """D = 0."""
        return initial_change(group)
