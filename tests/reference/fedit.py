"""FedIT line by line: LoRA factors averaged one by one (arXiv 2305.05644, section 3); NumPy float64."""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, **_):
    """B = sum_n w_n B_n and A = sum_n w_n A_n; w sums to 1 and is proportional to the numbers of examples."""
    new = {}
    for symbol in ("A", "B"):
        mean = np.zeros_like(state[symbol])
        for n in range(len(uploads)):
            mean = mean + w[n] * uploads[n][symbol]
        new[symbol] = mean
    return new


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s B A."""
    return np.stack([scale * B @ A for B, A in zip(state["B"], state["A"], strict=True)])
