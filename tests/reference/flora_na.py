"""FLoRA-NA line by line: arXiv 2509.26399, section 3, with dense products; NumPy float64, one layer at a time.

The paper leaves the optimiser open. Deliberate differences from its development code: alternating least squares
instead of AdamW; p and q of each layer instead of shared by all; the uploads themselves instead of their differences
from the broadcast; the weights w_n in the target and nowhere else, where that code averages again afterwards.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, *, steps, **_):
    """A = sum_n p_n A_n, B = sum_n q_n B_n with min ||B A - sum_n w_n B_n A_n||_F over p and q; w sums to 1."""
    A, B = np.zeros_like(state["A"]), np.zeros_like(state["B"])
    clients = range(len(uploads))
    for layer in range(len(A)):
        A_n, B_n = ([upload[symbol][layer] for upload in uploads] for symbol in ("A", "B"))
        D = sum(w[n] * B_n[n] @ A_n[n] for n in clients)
        p, q = w, w
        for _ in range(steps):
            A_hat = sum(p[n] * A_n[n] for n in clients)
            q = np.linalg.lstsq(np.stack([(B_n[n] @ A_hat).ravel() for n in clients], axis=1), D.ravel())[0]
            B_hat = sum(q[n] * B_n[n] for n in clients)
            p = np.linalg.lstsq(np.stack([(B_hat @ A_n[n]).ravel() for n in clients], axis=1), D.ravel())[0]
        A[layer] = sum(p[n] * A_n[n] for n in clients)
        B[layer] = sum(q[n] * B_n[n] for n in clients)
    return {"A": A, "B": B}


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s B A."""
    return np.stack([scale * B @ A for B, A in zip(state["B"], state["A"], strict=True)])
