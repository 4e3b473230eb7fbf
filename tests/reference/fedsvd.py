"""FedSVD line by line: B averaged, then (A, B) from the SVD of B A (arXiv 2505.12805); NumPy float64.

As in the published code: weights by numbers of examples, all singular values on B. The signs, which an SVD leaves open
and in which the next round's B is trained, are such that the largest element of each column of U is positive.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, *, every, **_):
    """B = sum_n w_n B_n; every so many rounds B A = U S V^T, A = V_r^T, B = U_r S_r; w sums to 1."""
    A, B = state["A"].copy(), np.zeros_like(state["B"])
    r = A.shape[1]
    for layer in range(len(A)):
        for n in range(len(uploads)):
            B[layer] += w[n] * uploads[n]["B"][layer]
        if t % every == 0:
            U, S, Vt = np.linalg.svd(B[layer] @ A[layer])
            for j in range(r):
                sign = np.sign(U[np.argmax(np.abs(U[:, j])), j])
                A[layer][j] = sign * Vt[j]
                B[layer][:, j] = sign * S[j] * U[:, j]
    return {"A": A, "B": B}


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s B A."""
    return np.stack([scale * B @ A for B, A in zip(state["B"], state["A"], strict=True)])
