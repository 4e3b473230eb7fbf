"""SLoRA line by line: arXiv 2308.06522, section 4; NumPy float64, one layer at a time.

Deliberate differences: one mask for all clients, where the published code draws one for each; W0 stays as it is in both
stages and the change beside it carries the factor s.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, rounds, **_):
    """Means of A, B and S; after round `rounds` B = U_r S_r, A = V_r^T of the sparse change; w sums to 1."""
    mean = {symbol: sum(w[n] * upload[symbol] for n, upload in enumerate(uploads)) for symbol in ("A", "B", "S")}
    if t != rounds:
        return mean
    A, B = np.zeros_like(state["A"]), np.zeros_like(state["B"])
    r = A.shape[1]
    for layer in range(len(A)):
        P = dense(mean["S"][layer], state["M"][layer], B.shape[1], A.shape[2])
        U, S, Vt = np.linalg.svd(P)
        B[layer] = U[:, :r] @ np.diag(S[:r])
        A[layer] = Vt[:r]
    return {"A": A, "B": B, "S": mean["S"][:, :0]}


def dense(S, M, o, i):
    """The matrix (o, i) that has S[j] at row M[j] // i, column M[j] % i."""
    P = np.zeros((o, i))
    for value, place in zip(S, M, strict=False):
        P[int(place) // i, int(place) % i] = value
    return P


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s (B A + P)."""
    o, i = state["B"].shape[1], state["A"].shape[2]
    return np.stack(
        [
            scale * (B @ A + dense(S, M, o, i))
            for A, B, S, M in zip(state["A"], state["B"], state["S"], fixed["M"], strict=True)
        ]
    )
