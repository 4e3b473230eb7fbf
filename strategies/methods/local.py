"""Local training: every client for itself, the reference below which no federated method should fall."""

from dataclasses import dataclass

from strategies.method import Method
from strategies.methods.common import initial_factors
from strategies.plan import Plan, Role, Traits
from strategies.state import Group, Tensors


@dataclass(frozen=True, kw_only=True)
class Local(Method):
    """dW_n = s B_n A_n, trained on client n's rows alone from the common start; nothing travels.

    Rounds, steps and the optimizer's restarts are those of the federated methods. Each client scores its own model; on
    the task's validation rows the mean of these scores compares with the central score of a global model.
    """

    name = "local"
    summary = "LoRA trained by each client alone, nothing is sent (lower reference)"

    @property
    def plan(self) -> Plan:
        return Plan(adapter="lora", roles={"A": Role.LOCAL, "B": Role.LOCAL}, head=Role.LOCAL)

    @property
    def traits(self) -> Traits:
        return Traits(mean_of_uploads=True)

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """A uniform, the same for all; B = 0."""
        return initial_factors(group, rank, seed)
