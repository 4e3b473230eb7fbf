"""FedMomentum line by line, after the abstract of arXiv 2603.08014; NumPy float64, one layer at a time.

Deliberate differences: W0 stays as it is and the residuals of all rounds are kept beside it, times s; S^(1/2) on each
factor, which the text that was to be had does not say. `residual` names how P travels and changes nothing here.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, **_):
    """D = sum_n w_n B_n A_n = U S V^T; B = U_r S_r^(1/2), A = S_r^(1/2) V_r^T, P += D - B A; w sums to 1."""
    A, B = np.zeros_like(state["A"]), np.zeros_like(state["B"])
    r, P = A.shape[1], []
    for layer in range(len(A)):
        D = sum(w[n] * uploads[n]["B"][layer] @ uploads[n]["A"][layer] for n in range(len(uploads)))
        U, S, Vt = np.linalg.svd(D)
        B[layer] = U[:, :r] @ np.diag(np.sqrt(S[:r]))
        A[layer] = np.diag(np.sqrt(S[:r])) @ Vt[:r]
        before = state["W"][layer] if "W" in state else state["U"][layer] @ state["V"][layer]
        P.append(before + D - B[layer] @ A[layer])
    return {"A": A, "B": B, "W": np.stack(P)}


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s (B A + P)."""
    return np.stack([scale * (B @ A + P) for B, A, P in zip(state["B"], state["A"], state["W"], strict=True)])
