"""FFA-LoRA line by line: B averaged, A0 never changed (arXiv 2403.12313, section 4); NumPy float64.

Deliberate difference: weights by numbers of examples, as the FedSA-LoRA and FedRot-LoRA codes run it; the text of the
paper leaves them open. The scale s = alpha / r is kept, which the paper absorbs into the learning rate.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, **_):
    """B = sum_n w_n B_n; w sums to 1."""
    B = np.zeros_like(state["B"])
    for n in range(len(uploads)):
        B = B + w[n] * uploads[n]["B"]
    return {**{symbol: state[symbol] for symbol in "A" if symbol in state}, "B": B}


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s B A0."""
    return np.stack([scale * B @ A0 for B, A0 in zip(state["B"], {**state, **fixed}["A"], strict=True)])
