"""LoRA-FAIR line by line: arXiv 2411.14961, section 4, with dense products; NumPy float64, one layer at a time.

The paper writes a similarity S inside an argmin; 1 - cosine is meant. Deliberate differences: the regularisation is
squared, as in a public re-implementation (minhdn2k2/FL_LoRA), so that it is smooth at 0; gradient descent takes steps
of the inverse of its curvature bound, where that code takes 0.01 although the gradient grows as B shrinks, and lambda
is the paper's 0.01, not that code's 1; `ridge` is not the paper's.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, *, solver, regularization, steps, **_):
    """A = sum_n w_n A_n; B + dB with dB = argmin 1 - cos(D, (B + dB) A) + lambda ||dB||^2; w sums to 1."""
    new = {"A": np.zeros_like(state["A"]), "B": np.zeros_like(state["B"])}
    clients = range(len(uploads))
    for layer in range(len(new["A"])):
        A = sum(w[n] * uploads[n]["A"][layer] for n in clients)
        B = sum(w[n] * uploads[n]["B"][layer] for n in clients)
        D = sum(w[n] * uploads[n]["B"][layer] @ uploads[n]["A"][layer] for n in clients)
        dB = np.zeros_like(B)
        if solver == "ridge":
            dB = (D - B @ A) @ A.T @ np.linalg.inv(A @ A.T + regularization * np.eye(len(A)))
        else:
            for _ in range(steps):
                P = (B + dB) @ A
                d, q = np.linalg.norm(D), np.linalg.norm(P)
                by_P = -(D / (d * q) - np.sum(D * P) * P / (d * q**3))  # derivative of 1 - cos(D, P)
                gradient = by_P @ A.T + 2 * regularization * dB
                dB = dB - gradient / (2 * np.linalg.norm(A, 2) ** 2 / q**2 + 2 * regularization)
        new["A"][layer], new["B"][layer] = A, B + dB
    return new


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s B A."""
    return np.stack([scale * B @ A for B, A in zip(state["B"], state["A"], strict=True)])
