"""Floating-point operations of a block of torch code, by the shapes: exact for products, leading terms elsewhere.

A product of (m, k) and (k, n) is 2 m k n operations; torch counts those, and convolutions and attention. Decompositions
are counted here by the formulas of Golub & Van Loan, Matrix Computations, 4th edition (GVL), for the algorithm of the
kind that LAPACK runs; iterations are in their constants. As everywhere, elementwise work counts nothing. While it is
watched torch computes vectors for eigvalsh and svdvals too: they count, and the values may differ in their last bits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

FLOPS = "flops"
"""The key of the count in a client's metrics."""

Size = Sequence[int]
aten = torch.ops.aten


def _square(A: Size) -> tuple[int, int]:
    """(matrices, n) of (*b, n, n)."""
    return prod(A[:-2]), A[-1]


def _oblong(A: Size) -> tuple[int, int, int]:
    """(matrices, m, n) with m >= n of (*b, o, i): a wide matrix costs what its transpose costs."""
    return prod(A[:-2]), max(A[-2:]), min(A[-2:])


def eigh_flops(A: Size, UPLO: str = "L", compute_v: bool = True, **_: Any) -> int:
    """Symmetric QR algorithm: 9 n^3 with vectors, 4/3 n^3 without (GVL section 8.3)."""
    b, n = _square(A)
    return b * (9 * n**3 if compute_v else 4 * n**3 // 3)


def svd_flops(A: Size, full_matrices: bool = False, compute_uv: bool = True, **_: Any) -> int:
    """The cheaper of Golub-Reinsch and R-SVD, as LAPACK chooses by the shape (GVL figure 8.6.1).

    Values: 4 m n^2 - 4/3 n^3 or 2 m n^2 + 2 n^3; thin U, V: 14 m n^2 + 8 n^3 or 6 m n^2 + 20 n^3; full U, V:
    4 m^2 n + 8 m n^2 + 9 n^3 or 4 m^2 n + 22 n^3.
    """
    b, m, n = _oblong(A)
    if not compute_uv:
        return b * min(4 * m * n**2 - 4 * n**3 // 3, 2 * m * n**2 + 2 * n**3)
    if not full_matrices:
        return b * min(14 * m * n**2 + 8 * n**3, 6 * m * n**2 + 20 * n**3)
    return b * (4 * m**2 * n + min(8 * m * n**2 + 9 * n**3, 22 * n**3))


def qr_flops(A: Size, mode: str = "reduced", **_: Any) -> int:
    """Householder: R in 2 q^2 (p - q/3), p the longer and q the shorter side (GVL section 5.2); Q, accumulated
    backwards, in 4 (m^2 c - m c^2 + c^3/3) for m x m, 2 m c^2 - 2/3 c^3 for m x c, c = min(m, n) (section 5.1).
    """
    b, p, q = _oblong(A)
    m, c = A[-2], min(A[-2:])
    factor = 2 * q**2 * p - 2 * q**3 // 3
    orthogonal = {
        "r": 0,
        "reduced": 2 * m * c**2 - 2 * c**3 // 3,
        "complete": 4 * (m**2 * c - m * c**2) + 4 * c**3 // 3,
    }
    return b * (factor + orthogonal[mode])


def cholesky_flops(A: Size, *_: Any, **__: Any) -> int:
    """n^3/3 (GVL section 4.2)."""
    b, n = _square(A)
    return b * (n**3 // 3)


def lu_flops(A: Size, *_: Any, **__: Any) -> int:
    """Of a determinant: 2/3 n^3 (GVL section 3.2)."""
    b, n = _square(A)
    return b * (2 * n**3 // 3)


def inverse_flops(A: Size, *_: Any, **__: Any) -> int:
    """2 n^3: the LU factors, then n right-hand sides whose zeros are used (GVL section 3.4)."""
    b, n = _square(A)
    return b * 2 * n**3


def solve_flops(A: Size, B: Size, *_: Any, **__: Any) -> int:
    """LU, 2/3 n^3, and two triangular solutions, 2 n^2, for each right-hand side (GVL sections 3.1, 3.2)."""
    b, n = _square(A)
    return b * (2 * n**3 // 3) + 2 * n * prod(B)


def triangular_solve_flops(A: Size, B: Size, *_: Any, **__: Any) -> int:
    """n^2 for each right-hand side (GVL section 3.1)."""
    return A[-1] * prod(B)


def pinv_flops(A: Size, *_: Any, hermitian: bool = False, **__: Any) -> int:
    """The eigendecomposition of a symmetric matrix or the thin SVD, and the product of their parts, 2 n m k."""
    b, m, n = _oblong(A)
    return (eigh_flops(A) if hermitian else svd_flops(A)) + b * 2 * m * n**2


def attention_flops(query: Size, key: Size, value: Size, *_: Any, **__: Any) -> int:
    """Q K^T and its product with V, over all positions: torch's own count, which leaves out its kernel for CPUs."""
    return 2 * prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def attention_backward_flops(grad: Size, query: Size, key: Size, value: Size, *_: Any, **__: Any) -> int:
    """Five products: the scores once more, and the gradients of scores, values, queries and keys."""
    return 2 * prod(query[:-1]) * key[-2] * (3 * query[-1] + 2 * value[-1])


def added_product_flops(total: Size, A: Size, B: Size, *_: Any, **__: Any) -> int:
    """total += A B, A (*b, m, k), B (*b, k, n) or (k,): 2 m k n."""
    return 2 * prod(A) * (B[-1] if len(B) > 1 else 1)


def vector_product_flops(A: Size, v: Size, *_: Any, **__: Any) -> int:
    """A v or u . v."""
    return 2 * prod(A)


FORMULAS: Mapping[Any, Callable[..., int]] = {
    aten._linalg_eigh: eigh_flops,
    aten._linalg_svd: svd_flops,
    aten.linalg_qr: qr_flops,
    aten.linalg_cholesky_ex: cholesky_flops,
    aten._linalg_det: lu_flops,
    aten.linalg_inv_ex: inverse_flops,
    aten._linalg_solve_ex: solve_flops,
    aten.linalg_solve_triangular: triangular_solve_flops,
    aten.linalg_pinv: pinv_flops,
    aten.addmm_: added_product_flops,
    aten.baddbmm_: added_product_flops,
    aten.addmv: added_product_flops,
    aten.addmv_: added_product_flops,
    aten.mv: vector_product_flops,
    aten.dot: vector_product_flops,
    aten._scaled_dot_product_flash_attention_for_cpu: attention_flops,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: attention_backward_flops,
}
"""By torch's operation, what torch's own counter lacks; called as the operation is, with shapes in place of tensors."""


def counter() -> FlopCounterMode:
    """A context manager whose get_total_flops() is the count of its block, backward passes included."""
    return FlopCounterMode(display=False, custom_mapping=dict(FORMULAS))


@contextmanager
def counted(wanted: bool = True) -> Iterator[dict[str, int]]:
    """Yields a dictionary that holds the block's count under FLOPS once it has ended; not `wanted`: nothing happens."""
    found: dict[str, int] = {}
    if not wanted:
        yield found
        return
    with counter() as mode:
        yield found
    found[FLOPS] = int(mode.get_total_flops())
