"""FedRot-LoRA line by line: arXiv 2602.23638, section 4 and its published code; NumPy float64, one layer at a time.

From the code and not the paper: round 1 turns nothing, even rounds align A, odd ones B; rotate_lambda = 1.5, the
default there, is the Procrustes solution over O(r), reflections included. Deliberate differences: where the mixture of
a soft rotation is singular (lambda = 0.5 and a half turn), lambda is 0.001 smaller, as its polar factor is not unique;
the server turns the uploads, not the clients, and in float64, not in the model's precision.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, *, rotate_lambda, **_):
    """A = sum_n w_n R_n^T A_n, B = sum_n w_n B_n R_n; w sums to 1."""
    A, B = np.zeros_like(state["A"]), np.zeros_like(state["B"])
    for n in range(len(uploads)):
        for layer in range(len(A)):
            A_n, B_n = uploads[n]["A"][layer], uploads[n]["B"][layer]
            R = np.eye(len(A_n))
            if t > 1 and t % 2 == 0 and np.linalg.norm(state["A"][layer]) > 0:
                R = _alignment(state["A"][layer] @ A_n.T, rotate_lambda)  # M = A_ref A_n^T
            if t > 1 and t % 2 == 1 and np.linalg.norm(state["B"][layer]) > 0:
                R = _alignment(state["B"][layer].T @ B_n, rotate_lambda)  # M = B_ref^T B_n
            A[layer] += w[n] * R.T @ A_n
            B[layer] += w[n] * B_n @ R
    return {"A": A, "B": B}


def _alignment(M, rotate_lambda):
    U, _, Vt = np.linalg.svd(M)  # M = U Sigma V^T
    if rotate_lambda > 1:
        return Vt.T @ U.T  # R* over O(r)
    D = np.eye(len(M))
    D[-1, -1] = np.sign(np.linalg.det(U @ Vt))
    R = Vt.T @ D @ U.T  # R* over SO(r)
    mixture = (1 - rotate_lambda) * np.eye(len(M)) + rotate_lambda * R
    if np.linalg.svd(mixture)[1][-1] < 1e-6:
        mixture = (1 - rotate_lambda + 0.001) * np.eye(len(M)) + (rotate_lambda - 0.001) * R
    U, _, Vt = np.linalg.svd(mixture)
    return U @ Vt  # R_lambda


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s B A."""
    return np.stack([scale * B @ A for B, A in zip(state["B"], state["A"], strict=True)])
