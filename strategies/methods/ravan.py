"""RAVAN: several small heads between frozen factors. Raje et al., NeurIPS 2025, arXiv 2506.05568."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from strategies.bases.basis import Fixed
from strategies.bases.pair import one_thread
from strategies.method import Method
from strategies.plan import Plan, Role, Traits
from strategies.rng import generator
from strategies.state import FrozenWeights, Group, Tensors


@dataclass(frozen=True, kw_only=True)
class RAVAN(Method):
    """dW = sum_j s_j B_j H_j A_j over h heads; H_j (r, r) and s_j are trained, H_j = sum_n w_n s_j^n H_j^n and s_j = 1.

    Exact, as dW is linear in s_j H_j: rank h r by h r^2 numbers. B_j and A_j are frozen, from the seed. A client's
    summand is s_j H_j, what the paper uploads (strategy.upload = "summand"); as tensors the h scalars travel beside H.
    Only the abstract and summaries of the paper were to be had: H = 0 and s = 1 at the start, four heads and the
    weights are chosen here, and its scheme for clients that train fewer heads is left out.
    """

    name = "ravan"
    summary = "several r x r heads between frozen factors, each with a trained scale (RAVAN, arXiv 2506.05568)"

    heads: Literal[2, 4, 8, 16] = 4
    """h; each has the rank adapter.rank."""
    bases: Literal["gram-schmidt", "orthogonal"] = "gram-schmidt"
    """The factors of all heads orthogonal to each other, as far as the layer has dimensions; or each by itself."""

    @property
    def plan(self) -> Plan:
        roles = {"H": Role.SHARED, "s": Role.FRESH, "B": Role.FIXED, "A": Role.FIXED}
        return Plan(adapter=f"core+heads-{self.heads}", roles=roles, scaled=False)

    @property
    def traits(self) -> Traits:
        return Traits(exact=True)

    def fixed(self, group: Group, rank: int, seed: int, weights: FrozenWeights) -> Fixed:
        """B (l, o, h r) and A (l, h r, i), each head's columns or rows orthonormal."""
        together = 1 if self.bases == "orthogonal" else group.k // rank
        made: dict[str, Tensor] = {}
        for symbol, side in (("B", group.out_features), ("A", group.in_features)):
            rng = generator(seed, "heads", symbol, group.name)
            made[symbol] = _frames(rng, len(group.layers), side, rank, self.heads, together)
        return {"B": made["B"], "A": made["A"].mT.contiguous()}

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """H = 0: training starts at W0."""
        return {"H": torch.zeros(len(group.layers), self.heads, rank, rank)}

    def round_start(self, t: int, group: Group, rank: int, seed: int) -> Tensors:
        """s = 1."""
        return {"s": torch.ones(len(group.layers), self.heads)}

    def contribute(self, t: int, state: Tensors, upload: Tensors) -> Tensors:
        """s_j H_j."""
        return {"H": upload["s"][..., None, None] * upload["H"]}


def _frames(
    rng: np.random.Generator, layers: int, side: int, rank: int, heads: int, together: int
) -> Float[Tensor, "l d r"]:
    """(l, side, heads rank) of orthonormal columns, `together` heads at a time: QR of a Gaussian with diag R > 0."""
    parts: list[Tensor] = []
    for first in range(0, heads, together):
        width = rank * min(together, heads - first)
        with one_thread():
            Q, R = torch.linalg.qr(torch.from_numpy(rng.standard_normal((layers, side, width))))
        parts.append(Q * R.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2))
    return torch.cat(parts, -1).float()
