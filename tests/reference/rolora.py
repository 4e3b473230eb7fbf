"""RoLoRA line by line: odd rounds average B, even rounds A (arXiv 2502.01755); NumPy float64.

Deliberate difference: the frozen factor is sent again in every round, which changes nothing here.
"""

import numpy as np

WEIGHTING = "uniform"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, **_):
    """B = sum_n w_n B_n where t is odd, A = sum_n w_n A_n where it is even; w sums to 1."""
    trained, frozen = ("B", "A") if t % 2 == 1 else ("A", "B")
    mean = np.zeros_like(state[trained])
    for n in range(len(uploads)):
        assert list(uploads[n]) == [trained]
        mean = mean + w[n] * uploads[n][trained]
    return {trained: mean, frozen: state[frozen]}


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s B A."""
    return np.stack([scale * B @ A for B, A in zip(state["B"], state["A"], strict=True)])
