"""Sketches of a gradient: few random combinations of its columns and rows, from which its leading directions follow.

A sketch is linear in the gradient G (o, i), so that the weighted sum of the clients' sketches is that of their mean
gradient. It costs p (o + i) numbers, and neither side forms a matrix (o, i).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from strategies.bases.pair import one_thread
from strategies.linalg import svd
from strategies.rng import generator
from strategies.state import Group

Directions = tuple[Float[Tensor, "*l o r"], Float[Tensor, "*l r"], Float[Tensor, "*l i r"]]
"""U, S and V, singular values largest first, orthonormal columns."""


def probe_matrices(group: Group, columns: int, seed: int) -> tuple[Float[Tensor, "i p"], Float[Tensor, "o p"]]:
    """Omega (i, p) and Psi (o, p) of a group's layers, float32: independent N(0, 1/p), so that ||G Omega|| is ||G|| on
    average.
    """
    sides = (("right", group.in_features), ("left", group.out_features))
    Omega, Psi = (
        torch.from_numpy(generator(seed, "sketch", side, group.name).normal(0, columns**-0.5, (size, columns))).float()
        for side, size in sides
    )
    return Omega, Psi


def leading_directions(
    Y: Float[Tensor, "*l o p"], X: Float[Tensor, "*l i p"], Omega: Float[Tensor, "i p"], rank: int
) -> Directions:
    """The `rank` leading singular triplets of the G with Y = G Omega and X = G^T Psi, rank <= p; float64 on the CPU.

    With Q_Y = qr(Y) and Q_X = qr(X), G is Q_Y C Q_X^T for C = Q_Y^T Y (Q_X^T Omega)^+ where its rank is at most p, and
    nearly so where little of it lies beyond: the single-view sketch of Tropp, Yurtsever, Udell and Cevher, *Practical
    Sketching Algorithms for Low-Rank Matrix Approximation*, SIAM J. Matrix Anal. 38 (2017). Signs as in `linalg.svd`.
    """
    Y, X, Omega = (tensor.to("cpu", torch.float64) for tensor in (Y, X, Omega))
    with one_thread():
        Q_Y, Q_X = torch.linalg.qr(Y)[0], torch.linalg.qr(X)[0]
        C = Q_Y.mT @ Y @ torch.linalg.pinv(Q_X.mT @ Omega)
        U, S, Vh = svd(C)
    return Q_Y @ U[..., :rank], S[..., :rank], Q_X @ Vh[..., :rank, :].mT
