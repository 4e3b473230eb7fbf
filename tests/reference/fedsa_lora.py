"""FedSA-LoRA line by line: A averaged, B left where it is (arXiv 2410.01463, section 3); NumPy float64.

Weights by numbers of examples, as FederatedScope's aggregator in the authors' code. With `global_model`, no part of the
paper, the uploads hold B as well, and the mean of the B_n stands for them at the server.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, *, global_model, **_):
    """A = sum_n w_n A_n; w sums to 1. B stays as it is, or is sum_n w_n B_n."""
    new = dict(state)
    for symbol in ("A", "B") if global_model else ("A",):
        mean = np.zeros_like(state[symbol])
        for n in range(len(uploads)):
            mean = mean + w[n] * uploads[n][symbol]
        new[symbol] = mean
    return new


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s B A."""
    return np.stack([scale * B @ A for B, A in zip(state["B"], state["A"], strict=True)])
