"""FedProx line by line: the server of FedAvg; mu is the clients' (arXiv 1812.06127, algorithm 2); NumPy float64.

Deliberate difference: D = W - W0 travels instead of W, which the weights w, of sum 1, make the same.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, **_):
    """D = sum_n w_n D_n, w_n proportional to the numbers of examples."""
    D = np.zeros_like(state["D"])
    for n in range(len(uploads)):
        D = D + w[n] * uploads[n]["D"]
    return {"D": D}


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s D; the application has s = 1."""
    return scale * state["D"]
