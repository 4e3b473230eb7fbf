"""RoLoRA: LoRA whose factors are trained in turns, one a round. Chen et al., NeurIPS 2025, arXiv 2502.01755."""

from dataclasses import dataclass, replace

from strategies.method import Method
from strategies.methods.common import initial_factors
from strategies.plan import Plan, Role, Traits
from strategies.state import Group, Tensors


@dataclass(frozen=True, kw_only=True)
class RoLoRA(Method):
    """dW = s B A; odd rounds train B (l, o, r) with A frozen, even rounds A (l, r, i) with B frozen, and average it.

    Each round is exact, as dW is linear in the one factor: mean(B) A = mean(B A). Unlike FFA-LoRA's, both factors
    learn. Up goes the factor that was trained; both come down in every round, also the frozen one, since a client may
    have missed the rounds before: half of FedIT's upload and all of its download.

    The paper's text was read in summaries, which leave the start open: A uniform and B = 0, B first, so that the first
    round has a gradient. Here the task head is trained in every round.
    """

    name = "rolora"
    summary = "LoRA with B trained in odd rounds and A in even ones, each averaged (RoLoRA, arXiv 2502.01755)"

    @property
    def plan(self) -> Plan:
        return Plan(adapter="lora", roles={"A": Role.SHARED, "B": Role.SHARED}, weighting="uniform")

    def plan_at(self, t: int) -> Plan:
        """A frozen in odd rounds, B in even ones."""
        return replace(self.plan, roles={**self.plan.roles, "A" if t % 2 else "B": Role.PUSHED})

    @property
    def traits(self) -> Traits:
        return Traits(steady=True, from_gradient=True, mean_of_uploads=True, exact=True, roles_by_round=True)

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """A uniform, B = 0."""
        return initial_factors(group, rank, seed)

    def finish(self, t: int, state: Tensors, total: Tensors) -> Tensors:
        """The mean of the factor that was trained, and the other as it was."""
        return {symbol: total.get(symbol, state[symbol]) for symbol in self.plan.roles}
