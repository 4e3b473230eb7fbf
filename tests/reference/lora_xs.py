"""LoRA-XS line by line, arXiv 2405.17604; NumPy float64, one layer at a time. The mean of R is Fed-SB's."""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: the paper has one trainer."""


def aggregate(t, state, uploads, w, **_):
    """R = sum_n w_n R_n (l, r, r); w sums to 1."""
    R = np.zeros_like(state["R"])
    for layer in range(len(R)):
        for n in range(len(uploads)):
            R[layer] += w[n] * uploads[n]["R"][layer]
    return {"R": R}


def bases(W0, r):
    """(B (o, r), A (r, i)) of W0 (o, i): B has left singular vectors, A right ones times their singular values."""
    U, S, Vt = np.linalg.svd(W0)
    return U[:, :r], np.diag(S[:r]) @ Vt[:r]


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s B R A."""
    return np.stack([scale * B @ R @ A for B, R, A in zip(fixed["B"], state["R"], fixed["A"], strict=True)])
