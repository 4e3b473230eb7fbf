"""Centralised training: the rows of all clients in one place, the reference that federated methods try to reach."""

from dataclasses import dataclass

from strategies.method import Method
from strategies.methods.common import initial_factors
from strategies.plan import Plan, Role, Traits
from strategies.state import Group, Tensors


@dataclass(frozen=True, kw_only=True)
class Centralised(Method):
    """dW = s B A, trained by one client that has the training rows of all; FedIT's rule over it is the identity.

    A round is an epoch (or `train.max-steps` steps) over all rows, with the optimizer's restarts of the federated
    methods. It sends what one FedIT client sends, which is counted, though in truth the rows themselves would travel.
    """

    name = "centralised"
    summary = "LoRA trained by one client with the rows of all (upper reference)"

    @property
    def plan(self) -> Plan:
        return Plan(adapter="lora", roles={"A": Role.SHARED, "B": Role.SHARED})

    @property
    def traits(self) -> Traits:
        return Traits(steady=True, mean_of_uploads=True, pooled=True)

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """A uniform, B = 0."""
        return initial_factors(group, rank, seed)
