"""FRLoRA line by line, after the code of Yan et al., ICLR 2025 (openreview e0rQRMUhs7); NumPy float64.

Deliberate differences: W0 stays as it is and the changes of all rounds are kept beside it, times s; the principal part
is divided between A0 and B0 by FeDeRA's power of two. `base` names how P travels and changes nothing here.
"""

import numpy as np

WEIGHTING = "uniform"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, **_):
    """A = sum_n w_n A_n, B = sum_n w_n B_n, P += B A - B0 A0, then back to (A0, B0); w sums to 1."""
    P = []
    for layer, (A0, B0) in enumerate(zip(state["A"], state["B"], strict=True)):
        A, B = np.zeros_like(A0), np.zeros_like(B0)
        for n in range(len(uploads)):
            A = A + w[n] * uploads[n]["A"][layer]
            B = B + w[n] * uploads[n]["B"][layer]
        before = state["W"][layer] if "W" in state else state["U"][layer] @ state["V"][layer]
        P.append(before + B @ A - B0 @ A0)
    return {"A": state["A"], "B": state["B"], "W": np.stack(P)}


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s (B0 A0 + P) - what W0 loses."""
    layers = zip(state["B"], state["A"], state["W"], fixed["B0"], fixed["A0"], strict=True)
    return np.stack([scale * (B @ A + P) - lost_B @ lost_A for B, A, P, lost_B, lost_A in layers])
