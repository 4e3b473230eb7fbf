"""Batched linear algebra of the rules: pure functions, float64 inside, the input's dtype and device at the border.

Nothing here hides a failure: a decomposition that does not converge raises torch.linalg.LinAlgError.
"""

import torch
from jaxtyping import Float
from torch import Tensor

EPS = torch.finfo(torch.float64).eps


def fold_product(total: Float[Tensor, "b m n"], X: Float[Tensor, "b m r"], Y: Float[Tensor, "b r n"], w: float) -> None:
    """Add w X Y to the total in place, without a temporary of its size."""
    total.baddbmm_(X, Y, alpha=w)


def psd_inverse_sqrt(M: Float[Tensor, "*b r r"], num_terms: int) -> Float[Tensor, "*b r r"]:
    """Pseudo-inverse square root of a symmetric positive semi-definite matrix: V diag(e_j^(-1/2)) V^T over kept pairs.

    Args:
        M: the matrices, of which only the symmetric part is read.
        num_terms: how many products each element of M is the sum of. Pairs with e_j <= num_terms * eps(float64) * e_max
            are dropped, since such an M knows its eigenvalues no better.

    Returns:
        The inverse square roots, in the dtype of M.

    Example:
        >>> psd_inverse_sqrt(torch.diag(torch.tensor([4.0, 0.0])), num_terms=2).tolist()
        [[0.5, 0.0], [0.0, 0.0]]
    """
    M64 = M.double()
    e, V = torch.linalg.eigh((M64 + M64.mT) / 2)
    keep = e > num_terms * EPS * e[..., -1:].clamp(min=0)
    V = V * torch.where(keep, e, 1).pow(-0.25).mul(keep).unsqueeze(-2)
    return (V @ V.mT).to(M.dtype)


def psd_factor(Q: Float[Tensor, "k k"]) -> Float[Tensor, "m k"]:
    """Decompose Q = F^T F by its eigenpairs, F = Lambda^(1/2) P  (FLoRG eqs. 6, 7).

    Args:
        Q: symmetric positive semi-definite; eigenvalues below k * eps(float64) * the largest count as zero.

    Returns:
        F with m = rank Q orthogonal rows, the longest first.

    Example:
        >>> psd_factor(torch.diag(torch.tensor([0.0, 9.0, 4.0]))).abs().tolist()
        [[0.0, 3.0, 0.0], [0.0, 0.0, 2.0]]
    """
    e, V = torch.linalg.eigh(Q.double())
    keep = e > len(e) * EPS * e[-1].clamp(min=0)
    return (V[:, keep] * e[keep].sqrt()).mT.flip(0).to(Q.dtype)


def gram_factor(A: Float[Tensor, "n *b r k"], w: Float[Tensor, " n"]) -> Float[Tensor, "*b m k"]:
    """Factorise the mean Gram matrix, sum_n w_n A_n^T A_n = F^T F, without forming it  (FLoRG eqs. 4-7).

    From the thin SVD U S V^T of the stacked sqrt(w_n) A_n, F = S V^T: O((n r)^2 k) instead of the O(k^3) of an
    eigendecomposition, and the spectrum is never squared.

    Args:
        A: the factors of n clients.
        w: their weights, none below zero.

    Returns:
        F with m = min(n r, k) orthogonal rows, the longest first; rows beyond the rank of the sum are zero up to
        rounding.

    Example:
        >>> A = torch.tensor([[[1.0, 0.0, 0.0]], [[0.0, 2.0, 0.0]]])
        >>> F = gram_factor(A, torch.tensor([0.5, 0.5]))
        >>> (F.mT @ F).round(decimals=5).diagonal().tolist()
        [0.5, 2.0, 0.0]
    """
    scaled = A.double() * w.double().sqrt().view(-1, *[1] * (A.ndim - 1))
    stacked = scaled.movedim(0, -3).flatten(-3, -2)
    _, S, Vh = torch.linalg.svd(stacked, full_matrices=False)
    return (S.unsqueeze(-1) * Vh).to(A.dtype)


def polar(C: Float[Tensor, "*b r m"]) -> Float[Tensor, "*b r m"]:
    """Return the semi-orthogonal polar factor U V^T of the thin SVD C = U S V^T.

    It maximises tr(X^T C) over semi-orthogonal X; unique where C has full rank, otherwise a completion that the SVD
    routine chooses.
    """
    U, _, Vh = torch.linalg.svd(C.double(), full_matrices=False)
    return (U @ Vh).to(C.dtype)


def procrustes(X: Float[Tensor, "*b r k"], Y: Float[Tensor, "*b m k"]) -> Float[Tensor, "*b r m"]:
    """Align Y with X: S = U V^T of the SVD of X Y^T  (FLoRG eq. 11).

    Args:
        X: what S Y is to be near.
        Y: what is turned.

    Returns:
        S that minimises ||S Y - X||_F over S^T S = I_m where m <= r. For m > r the same formula is the paper's; S S^T =
        I_r then, and S Y keeps neither Y's Gram matrix nor optimality.

    Example:
        >>> Y = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        >>> procrustes(Y.flip(0), Y).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    return polar(X.double() @ Y.double().mT).to(X.dtype)


def svd(W: Float[Tensor, "*b o i"]) -> tuple[Float[Tensor, "*b o k"], Float[Tensor, "*b k"], Float[Tensor, "*b k i"]]:
    """Thin SVD W = U S V^T with canonical signs: the largest element of each column of U, by magnitude, is positive."""
    U, S, Vh = torch.linalg.svd(W.double(), full_matrices=False)
    signs = _signs(U)
    return (U * signs).to(W.dtype), S.to(W.dtype), (Vh * signs.mT).to(W.dtype)


def svd_of_product(
    B: Float[Tensor, "*b o m"], A: Float[Tensor, "*b m i"]
) -> tuple[Float[Tensor, "*b o q"], Float[Tensor, "*b q"], Float[Tensor, "*b q i"]]:
    """Thin SVD U S V^T of the product B A.

    For m < min(o, i) without a matrix of size o x i: with the thin QRs B = Q1 R1 and A^T = Q2 R2 and the SVD
    R1 R2^T = X S Y^T of an m x m core, U = Q1 X and V = Q2 Y, in O((o + i) m^2) operations.

    Args:
        B: left factors.
        A: right factors.

    Returns:
        (U, S, V^T) of q = min(m, o, i) singular triples, the largest first, signs as those of `svd`.

    Example:
        >>> svd_of_product(torch.tensor([[3.0], [4.0]]), torch.tensor([[1.0, 0.0, 0.0]]))[1].round(decimals=5).tolist()
        [5.0]
    """
    B64, A64 = B.double(), A.double()
    if B.shape[-1] >= min(B.shape[-2], A.shape[-1]):
        U, S, Vh = svd(B64 @ A64)
        return U.to(B.dtype), S.to(B.dtype), Vh.to(B.dtype)
    Q1, R1 = torch.linalg.qr(B64)
    Q2, R2 = torch.linalg.qr(A64.mT)
    X, S, Yh = torch.linalg.svd(R1 @ R2.mT)
    U = Q1 @ X
    signs = _signs(U)
    return (U * signs).to(B.dtype), S.to(B.dtype), (Yh @ Q2.mT * signs.mT).to(B.dtype)


def _signs(U: Float[Tensor, "*b o k"]) -> Float[Tensor, "*b 1 k"]:
    largest = U.abs().argmax(-2, keepdim=True)
    return torch.where(U.gather(-2, largest) < 0, -1.0, 1.0).to(U.dtype)


def balanced_factors(
    U: Float[Tensor, "*b o m"], S: Float[Tensor, "*b m"], Vh: Float[Tensor, "*b m i"]
) -> tuple[Float[Tensor, "*b o m"], Float[Tensor, "*b m i"]]:
    """Share singular values out evenly: B = U S^(1/2) and A = S^(1/2) V^T, so that B A = U S V^T and B^T B = A A^T."""
    root = S.sqrt()
    return U * root.unsqueeze(-2), root.unsqueeze(-1) * Vh


def squared_norm_of_product(B: Float[Tensor, "*b o m"], A: Float[Tensor, "*b m i"]) -> float:
    """||B A||_F^2 = sum((B^T B) * (A A^T)) over all leading axes, without a matrix of size o x i."""
    return float(((B.mT @ B) * (A @ A.mT)).sum())


def rotation(C: Float[Tensor, "*b r r"]) -> Float[Tensor, "*b r r"]:
    """Return the rotation that maximises tr(X^T C) over X in SO(r): U diag(1, ..., 1, det(U V^T)) V^T of C = U S V^T.

    Kabsch's algorithm: as `polar`, but never a reflection.
    """
    U, _, Vh = torch.linalg.svd(C.double())
    signs = torch.ones_like(C[..., 0], dtype=torch.float64)
    signs[..., -1] = torch.linalg.det(U @ Vh).sign()
    return ((U * signs.unsqueeze(-2)) @ Vh).to(C.dtype)
