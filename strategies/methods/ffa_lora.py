"""FFA-LoRA: LoRA with A frozen at its random start. Sun et al., ICLR 2024, arXiv 2403.12313."""

from dataclasses import dataclass
from typing import Literal

from strategies.bases.basis import Fixed
from strategies.method import Method
from strategies.methods.common import initial_A, initial_B
from strategies.plan import Plan, Role, Traits
from strategies.state import FrozenWeights, Group, Tensors


@dataclass(frozen=True, kw_only=True)
class FFALoRA(Method):
    """dW = s B A0 with A0 (l, r, i) from the seed, the same for all; only B (l, o, r) is trained, sent and averaged.

    Exact, as dW is linear in B: mean(B) A0 = mean(B A0). Updates stay in the row space of A0, and B's learning rate
    stands for the scale: it usually has to be larger than LoRA's.
    """

    name = "ffa-lora"
    summary = "LoRA with A frozen from the seed, B averaged (FFA-LoRA, arXiv 2403.12313)"

    start: Literal["uniform", "gradient"] = "uniform"
    """Of A0: uniform, from the seed; or along the leading directions of the clients' mean gradient at W0."""

    @property
    def plan(self) -> Plan:
        return Plan(adapter="lora", roles={"A": Role.ONCE if self._by_gradient else Role.FIXED, "B": Role.SHARED})

    @property
    def traits(self) -> Traits:
        return Traits(steady=True, mean_of_uploads=True, exact=True, from_gradient=self._by_gradient)

    def fixed(self, group: Group, rank: int, seed: int, weights: FrozenWeights) -> Fixed:
        """A0 uniform."""
        return {} if self._by_gradient else {"A": initial_A(group, rank, seed)}

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """B = 0; A0 uniform where it is to come from a gradient that there is not yet."""
        B = {"B": initial_B(group, rank)}
        return {**B, "A": initial_A(group, rank, seed)} if self._by_gradient else B

    @property
    def _by_gradient(self) -> bool:
        return self.start == "gradient"
