"""HLoRA line by line, after summaries of arXiv 2503.00813; NumPy float64, one layer at a time.

Uploads may have ranks of their own. S^(1/2) on each factor, which the text that was to be had does not say.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, **_):
    """W' = sum_n w_n B_n A_n = U S V^T; B = U_r S_r^(1/2), A = S_r^(1/2) V_r^T; w sums to 1."""
    A, B = np.zeros_like(state["A"]), np.zeros_like(state["B"])
    r = A.shape[1]
    for layer in range(len(A)):
        D = np.zeros((B.shape[1], A.shape[2]))
        for n, upload in enumerate(uploads):
            D += w[n] * upload["B"][layer] @ upload["A"][layer]
        U, S, Vt = np.linalg.svd(D)
        for j in range(r):
            B[layer][:, j] = np.sqrt(S[j]) * U[:, j]
            A[layer][j] = np.sqrt(S[j]) * Vt[j]
    return {"A": A, "B": B}


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s B A."""
    return np.stack([scale * B @ A for B, A in zip(state["B"], state["A"], strict=True)])
