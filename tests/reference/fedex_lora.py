"""FedEx-LoRA line by line: arXiv 2410.09432, section 4; NumPy float64, one layer at a time.

Deliberate differences: W0 stays as it is and the residuals of all rounds are kept beside it, times s; the residual is
not transposed, as the published code does before adding it (right for Conv1D, wrong for nn.Linear); weights w_n
instead of 1/N. `residual` names how P travels, dense or in exact factors, and changes nothing here.
"""

import numpy as np

WEIGHTING = "uniform"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, **_):
    """A = sum_n w_n A_n, B = sum_n w_n B_n, P += sum_n w_n B_n A_n - B A; w sums to 1."""
    A, B = np.zeros_like(state["A"]), np.zeros_like(state["B"])
    P = np.array([_residual(state, layer) for layer in range(len(A))])
    for layer in range(len(A)):
        product = np.zeros_like(P[layer])
        for n in range(len(uploads)):
            A[layer] += w[n] * uploads[n]["A"][layer]
            B[layer] += w[n] * uploads[n]["B"][layer]
            product += w[n] * uploads[n]["B"][layer] @ uploads[n]["A"][layer]
        P[layer] += product - B[layer] @ A[layer]
    return {"A": A, "B": B, "W": P}


def _residual(state, layer):
    return state["W"][layer] if "W" in state else state["U"][layer] @ state["V"][layer]


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s (B A + P)."""
    return np.stack([scale * (B @ A + P) for B, A, P in zip(state["B"], state["A"], state["W"], strict=True)])
