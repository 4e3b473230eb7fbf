"""Fed-RAC-LoRA line by line: arXiv 2410.08305, algorithm 2; NumPy float64, one layer at a time.

Deliberate differences: W0 stays as it is and the merged blocks of all rounds are kept beside it, times s = alpha / r;
A_t is uniform as LoRA's start, where the paper leaves the distribution open; every round is one block of the chain,
trained by the application's optimizer. `base` names how the merged part travels and changes nothing here.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, **_):
    """P += (sum_n w_n B_n) A_t; w sums to 1."""
    P = []
    for layer, A_t in enumerate(state["A"]):
        B = np.zeros((uploads[0]["B"].shape[1], len(A_t)))
        for n in range(len(uploads)):
            B = B + w[n] * uploads[n]["B"][layer]
        before = state["W"][layer] if "W" in state else state["U"][layer] @ state["V"][layer]
        P.append(before + B @ A_t)
    return {"W": np.stack(P)}


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s P, as B = 0 after the round."""
    return scale * state["W"]
