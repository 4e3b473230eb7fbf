"""FeDeRA as FLoRG describes it, line by line: arXiv 2602.17095, section 4.1; NumPy float64, one layer at a time.

"Aggregates B and A and performs SVD" is read as the SVD of the mean product; of the product of the means it would
change nothing but the factors. The text leaves the split of S open: the square root on each side, as PEFT's "pissa".
"""

import numpy as np

WEIGHTING = "uniform"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, **_):
    """(A, B) of the best rank-r part of D = sum_n w_n B_n A_n; w sums to 1."""
    A, B = np.zeros_like(state["A"]), np.zeros_like(state["B"])
    r = A.shape[1]
    for layer in range(len(A)):
        D = sum(w[n] * uploads[n]["B"][layer] @ uploads[n]["A"][layer] for n in range(len(uploads)))
        U, S, Vt = np.linalg.svd(D)  # D = U S V^T
        B[layer] = U[:, :r] @ np.diag(np.sqrt(S[:r]))
        A[layer] = np.diag(np.sqrt(S[:r])) @ Vt[:r]
    return {"A": A, "B": B}


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s B A."""
    return np.stack([scale * B @ A for B, A in zip(state["B"], state["A"], strict=True)])
