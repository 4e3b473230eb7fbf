"""FedFTG: full up-projections, trained by GaLore and averaged. Mahla et al., arXiv 2410.23111."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from strategies.method import Method
from strategies.methods.common import initial_change
from strategies.plan import Plan, Role, Traits
from strategies.projection import Projection
from strategies.state import Group, Tensors


@dataclass(frozen=True, kw_only=True)
class FedFTG(Method):
    """W = sum_n w_n W_n for the MLP's up-projections, which clients train by GaLore; w_n by numbers of examples.

    Weight decay acts on D = W - W0, which is what is trained: it pulls towards W0, not towards 0.

    Rank, gap and scale are not in the paper: the defaults are those of GaLore's own fine-tuning on GLUE, but for the
    scale, GaLore's default. Moments and projectors begin anew each round.
    """

    name = "fedftg"
    summary = "full MLP up-projections, GaLore on the clients, averaged (FedFTG, arXiv 2410.23111)"

    rank: Annotated[int, Ge(1)] = 4
    """Of the projected gradients; adapter.rank has no effect."""
    gap: Annotated[int, Ge(1)] = 500
    """Steps between two choices of the projector."""
    scale: Annotated[float, Gt(0)] = 0.25
    """Factor of each step."""
    side: Literal["std", "left", "right"] = "std"
    """Of the projector; std = the shorter side of the weight."""
    eps: Annotated[float, Gt(0)] = 1e-6
    """Of AdamW in the projected space, where most of a first gradient may be smaller; the authors' of GaLore."""
    eps_place: Literal["before", "after"] = "before"
    """Of AdamW's bias correction: eps is added before it, as in GaLore's own code, or after it, as in torch's."""

    @property
    def plan(self) -> Plan:
        return Plan(adapter="full", roles={"D": Role.SHARED}, scaled=False, targets="mlp-up")

    @property
    def traits(self) -> Traits:
        return Traits(steady=True, mean_of_uploads=True, exact=True, gauge_free=True)

    def check(self, group: Group, rank: int) -> None:
        super().check(group, rank)
        if self.rank > group.k:
            raise ValueError(
                f"strategy.fedftg.rank = {self.rank} exceeds min(out, in) = {group.k} of the layers "
                f"{group.layers[0]}, ... ({group.name})"
            )

    def projection(self) -> Projection:
        return Projection(self.rank, self.gap, self.scale, self.side, self.eps, self.eps_place)

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """D = 0."""
        return initial_change(group)
