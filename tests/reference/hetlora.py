"""HetLoRA line by line: arXiv 2401.06432, section 3; NumPy float64, one layer at a time.

Uploads may have ranks of their own. Deliberate differences: one scale for clients of all ranks (the paper names none);
one tail and one norm per client, over all its layers.
"""

import numpy as np

WEIGHTING = "norm"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def raw_weight(upload):
    """||dW_n||_F over the layers, as B_n A_n written out."""
    return np.sqrt(sum(np.sum((B @ A) ** 2) for B, A in zip(upload["B"], upload["A"], strict=True)))


def tail(upload, q):
    """sum over layers of ||B[:, q:]||_F ||A[q:, :]||_F."""
    return sum(
        np.sqrt(np.sum(B[:, q:] ** 2)) * np.sqrt(np.sum(A[q:] ** 2))
        for B, A in zip(upload["B"], upload["A"], strict=True)
    )


def aggregate(t, state, uploads, w, **_):
    """A = sum_n w_n pad(A_n), B = sum_n w_n pad(B_n); w sums to 1."""
    A, B = np.zeros_like(state["A"]), np.zeros_like(state["B"])
    for layer in range(len(A)):
        for n, upload in enumerate(uploads):
            r_n = upload["A"].shape[1]
            A[layer][:r_n] += w[n] * upload["A"][layer]
            B[layer][:, :r_n] += w[n] * upload["B"][layer]
    return {"A": A, "B": B}


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s B A."""
    return np.stack([scale * B @ A for B, A in zip(state["B"], state["A"], strict=True)])
