"""LoRA-XS: a small matrix between frozen singular vectors of W0. Balazy et al., ECAI 2025, arXiv 2405.17604."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge

from strategies.bases.basis import Fixed
from strategies.bases.pair import one_thread
from strategies.linalg import svd
from strategies.method import Method
from strategies.plan import Plan, Role, Traits
from strategies.rng import generator
from strategies.state import FrozenWeights, Group, Tensors


@dataclass(frozen=True, kw_only=True)
class LoRAXS(Method):
    """dW = s B R A, B = U_r and A = S_r V_r^T of W0 = U S V^T; only R (l, r, r) is trained, sent and averaged.

    Exact, as dW is linear in R. Both sides compute B and A from W0, the same bits, which a fingerprint checks: r^2
    numbers travel each way, whatever the layer's size. That S is on the side of A, and the start of R, are those of the
    authors' code. The paper has one trainer; its federated form, the mean of R, is that of Fed-SB.
    """

    name = "lora-xs"
    summary = "r x r matrices between the singular vectors of W0, averaged (LoRA-XS, arXiv 2405.17604)"

    initial_std: Annotated[float, Ge(0)] = 1e-5
    """Standard deviation of the elements of R at the start, the same draw for all; 0: training starts at W0."""

    @property
    def plan(self) -> Plan:
        return Plan(adapter="core", roles={"R": Role.SHARED, "B": Role.FIXED, "A": Role.FIXED})

    @property
    def traits(self) -> Traits:
        return Traits(steady=True, mean_of_uploads=True, exact=True)

    def fixed(self, group: Group, rank: int, seed: int, weights: FrozenWeights) -> Fixed:
        """U_r (l, o, r) and S_r V_r^T (l, r, i) of W0."""
        with one_thread():
            U, S, Vh = svd(weights(group).cpu().double())
        A = S[..., :rank].unsqueeze(-1) * Vh[..., :rank, :]
        return {"B": U[..., :rank].float().contiguous(), "A": A.float().contiguous()}

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """R ~ N(0, initial_std^2)."""
        shape = (len(group.layers), rank, rank)
        return {
            "R": torch.from_numpy(generator(seed, "initial-R", group.name).normal(0, self.initial_std, shape)).float()
        }
