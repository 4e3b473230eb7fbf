"""Fed-SB line by line, arXiv 2502.15436; NumPy float64, one layer at a time.

Deliberate difference: the directions are those of the mean gradient, and not of -eta sign(gradient) of central rows.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean, as in the authors' experiments on equal parts, where all weights agree."""


def aggregate(t, state, uploads, w, **_):
    """R = sum_n w_n R_n (l, r, r), B and A as they are; w sums to 1."""
    R = np.zeros_like(state["R"])
    for layer in range(len(R)):
        for n in range(len(uploads)):
            R[layer] += w[n] * uploads[n]["R"][layer]
    return {"R": R, "B": state["B"], "A": state["A"]}


def start(G, r, step):
    """(B, R, A) with B R A the rank-r part of one step of gradient descent from W0 along G (o, i)."""
    U, S, Vt = np.linalg.svd(G)
    return U[:, :r], -step * np.diag(S[:r]), Vt[:r]


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s B R A."""
    return np.stack([scale * B @ R @ A for B, R, A in zip(state["B"], state["R"], state["A"], strict=True)])
