"""Centralised training line by line: one client's factors are the model; NumPy float64.

Only one client is ever asked. For several, which the laws of all methods try, the factors are averaged one by one, as
in FedIT.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, **_):
    """B = B_0 and A = A_0 for one client."""
    new = {}
    for symbol in ("A", "B"):
        new[symbol] = sum(w[n] * uploads[n][symbol] for n in range(len(uploads)))
    return new


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s B A."""
    return np.stack([scale * B @ A for B, A in zip(state["B"], state["A"], strict=True)])
