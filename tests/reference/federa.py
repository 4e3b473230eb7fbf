"""FeDeRA line by line: LoRA from the SVD of W0, factors averaged (arXiv 2404.18848); NumPy float64.

The paper's text leaves the split of the singular values open: A = S^(1/2) V^T / c and B = c U S^(1/2) / s with the
power of two c nearest to sqrt(s), where PEFT's "pissa" has c = sqrt(s). The frozen weight stays W0 and
P = U_r S_r V_r^T is subtracted beside it, which is the same function of the input.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, **_):
    """B = sum_n w_n B_n and A = sum_n w_n A_n; w sums to 1."""
    new = {}
    for symbol in ("A", "B"):
        mean = np.zeros_like(state[symbol])
        for n in range(len(uploads)):
            mean = mean + w[n] * uploads[n][symbol]
        new[symbol] = mean
    return new


def start(W0, rank, scale):
    """(A, B, P) of one layer: s B A = P, the best rank-r part of W0."""
    U, S, Vt = np.linalg.svd(W0)
    root = np.diag(np.sqrt(S[:rank]))
    c = 2.0 ** np.round(np.log2(np.sqrt(scale)))
    A, B = root @ Vt[:rank] / c, c * U[:, :rank] @ root / scale
    return A, B, scale * B @ A


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s B A - P."""
    return np.stack(
        [scale * state["B"][x] @ state["A"][x] - fixed["B0"][x] @ fixed["A0"][x] for x in range(len(state["A"]))]
    )
