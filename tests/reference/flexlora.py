"""FlexLoRA line by line: arXiv 2402.11505, section 3; NumPy float64, one layer at a time.

Uploads may have ranks of their own. Deliberate difference: one scale for clients of all ranks, where the published code
has alpha / r_n; it enters before the SVD and leaves B after it, so it cancels.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, **_):
    """B = U_r S_r, A = V_r^T of sum_n w_n B_n A_n; w sums to 1 and is proportional to the numbers of examples."""
    A, B = np.zeros_like(state["A"]), np.zeros_like(state["B"])
    r = A.shape[1]
    for layer in range(len(A)):
        D = sum(w[n] * uploads[n]["B"][layer] @ uploads[n]["A"][layer] for n in range(len(uploads)))
        U, S, Vt = np.linalg.svd(D)
        B[layer] = U[:, :r] @ np.diag(S[:r])
        A[layer] = Vt[:r]
    return {"A": A, "B": B}


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s B A."""
    return np.stack([scale * B @ A for B, A in zip(state["B"], state["A"], strict=True)])
