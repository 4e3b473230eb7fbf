"""Starts from the principal part of W0, P = U_r S_r V_r^T, which the frozen weight loses."""

import math

from jaxtyping import Float
from torch import Tensor

from strategies.bases.basis import Fixed
from strategies.bases.pair import one_thread
from strategies.linalg import balanced_factors, svd
from strategies.state import FrozenWeights, Group, Tensors


def principal_fixed(group: Group, rank: int, weights: FrozenWeights) -> Fixed:
    """Return B0 (l, o, r) and A0 (l, r, i) with B0 A0 = P, float32."""
    B0, A0 = _principal(weights(group), rank)
    return {"A0": A0.float(), "B0": B0.float()}


def principal_start(group: Group, rank: int, scale: float, weights: FrozenWeights) -> Tensors:
    """Return A = A0 / c and B = c B0 / s, c the power of two nearest to sqrt(s); c = sqrt(s) is PEFT's "pissa".

    So s B A and B0 A0 round alike in half precision and cancel there too; with another c each of them would be wrong by
    a rounding error of its own. float32.
    """
    B0, A0 = _principal(weights(group), rank)
    c = 2.0 ** round(math.log2(scale) / 2)
    return {"A": (A0 / c).float(), "B": (c * B0 / scale).float()}


def _principal(W0: Float[Tensor, "l o i"], rank: int) -> tuple[Float[Tensor, "l o r"], Float[Tensor, "l r i"]]:
    """(U_r S_r^(1/2), S_r^(1/2) V_r^T) of W0 (l, o, i), float64 on the CPU."""
    with one_thread():
        U, S, Vh = svd(W0.cpu().double())
    return balanced_factors(U[..., :rank], S[..., :rank], Vh[..., :rank, :])
