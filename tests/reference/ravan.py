"""RAVAN line by line, arXiv 2506.05568; NumPy float64, one layer and one head at a time.

The scalars s_j are 1 as a round begins; what the paper does for clients that train fewer heads is left out.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: the paper's weights were not to be had."""


def aggregate(t, state, uploads, w, **_):
    """H_j = sum_n w_n s_j^n H_j^n (l, h, r, r); w sums to 1."""
    H = np.zeros_like(state["H"])
    for layer in range(len(H)):
        for j in range(H.shape[1]):
            for n in range(len(uploads)):
                H[layer, j] += w[n] * uploads[n]["s"][layer, j] * uploads[n]["H"][layer, j]
    return {"H": H}


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s sum_j B_j H_j A_j, between rounds, where s_j = 1."""
    dW = []
    for H, B, A in zip(state["H"], fixed["B"], fixed["A"], strict=True):
        r = H.shape[-1]
        heads = [B[:, j * r : (j + 1) * r] @ H[j] @ A[j * r : (j + 1) * r] for j in range(len(H))]
        dW.append(scale * sum(heads))
    return np.stack(dW)
