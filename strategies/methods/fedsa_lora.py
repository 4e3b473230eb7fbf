"""FedSA-LoRA: A is shared, B stays with its client. Guo et al., ICLR 2025, arXiv 2410.01463."""

from dataclasses import dataclass
from typing import Literal

from strategies.method import Method
from strategies.methods.common import initial_factors
from strategies.plan import Plan, Role, Traits
from strategies.state import Group, Tensors


@dataclass(frozen=True, kw_only=True)
class FedSALoRA(Method):
    """dW_n = s B_n A; both are trained, A = sum_n w_n A_n is sent and averaged, B_n never leaves client n.

    A client's model is its own: it is scored by the client, on its own rows. A client that misses rounds keeps its B_n
    while A moves on. With `global_model` the clients report B_n (and a local head) for the mean alone, and the server
    scores W0 + s mean(B) A = W0 + s sum_n w_n B_n A; nobody trains from that mean.
    """

    name = "fedsa-lora"
    summary = "LoRA with A averaged and B kept by each client (FedSA-LoRA, arXiv 2410.01463)"

    head: Literal["local", "shared"] = "local"
    """The trained layers outside the adapters; local as in the authors' GLUE runs."""
    global_model: bool = False
    """Also upload what is local, so that the server has a mean model to score."""

    @property
    def plan(self) -> Plan:
        own = Role.REPORTED if self.global_model else Role.LOCAL
        roles = {"A": Role.SHARED, "B": own}
        return Plan(adapter="lora", roles=roles, head=own if self.head == "local" else Role.SHARED)

    @property
    def traits(self) -> Traits:
        return Traits(steady=True, from_gradient=True, mean_of_uploads=True)

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """A uniform, the same for all; B = 0, also for a client that joins late."""
        return initial_factors(group, rank, seed)
