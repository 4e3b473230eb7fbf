"""FLoRG line by line: Algorithm 1, lines 10-13, of arXiv 2602.17095; NumPy float64, one layer at a time.

Deliberate differences from the paper: weights w_n instead of 1/N (eq. 4); a scale s (eq. 1 has none, its appendix has
alpha); zero rows fill A up where rank Q < r and there is no alignment, as every round broadcasts r rows; with
`zero_start` the Gram matrix of the initial A is subtracted in eq. 1. `solver = "truncate"` keeps the r largest
eigenpairs before the alignment, which the paper does not do. Clients of lower ranks are not in the paper. The closed
form is no algorithm of the paper: its reference is the literal one. Gradient bases are not in the paper:
tests/reference/gradient_start.py.
"""

import numpy as np

WEIGHTING = "uniform"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, *, solver, align, **_):
    """A^{t+1} (l, r, k) from A^t and the clients' A_n; w sums to 1."""
    A = state["A"]
    new = np.zeros_like(A)
    for layer in range(len(A)):
        new[layer] = _layer(A[layer], [upload["A"][layer] for upload in uploads], w, solver == "truncate", align)
    return {**{symbol: state[symbol] for symbol in "UV" if symbol in state}, "A": new}


def _layer(A, A_n, w, truncate, align):
    r, k = A.shape
    Q = np.zeros((k, k))
    for n in range(len(A_n)):  # (4)
        for row in A_n[n]:
            Q += w[n] * np.outer(row, row)
        Q += w[n] * _not_sent(A, len(A_n[n]))
    eigenvalues, vectors = np.linalg.eigh(Q)  # (6) Q = P^T Lambda P
    order = np.argsort(-eigenvalues)
    rank = int(np.sum(eigenvalues > k * np.finfo(float).eps * eigenvalues.max()))  # r' = rank(Q)
    rows = min(r, rank) if truncate else rank
    P = vectors[:, order[:rows]].T
    Lambda = np.diag(eigenvalues[order[:rows]])
    A_tilde = np.sqrt(Lambda) @ P  # (7)
    if not align:
        unaligned = np.zeros((r, k))
        unaligned[: min(r, rows)] = A_tilde[:r]
        return unaligned
    U, _, Vt = np.linalg.svd(A @ A_tilde.T, full_matrices=False)  # (11) A^t A_tilde^T = U Sigma V^T
    S = U @ Vt  # (11)
    return S @ A_tilde  # (12)


def _not_sent(A, m):
    """A^T A without its m largest eigenpairs: what a client of rank m neither gets nor changes."""
    eigenvalues, vectors = np.linalg.eigh(A.T @ A)
    rest = np.zeros_like(vectors)
    for j in np.argsort(-eigenvalues)[m : len(A)]:
        rest += eigenvalues[j] * np.outer(vectors[:, j], vectors[:, j])
    return rest


def served(A, m):
    """What a client of rank m gets of A (r, k): the m largest eigenpairs of A^T A, turned towards A's first m rows."""
    if m == len(A):
        return A
    eigenvalues, vectors = np.linalg.eigh(A.T @ A)
    order = np.argsort(-eigenvalues)[:m]
    leading = np.diag(np.sqrt(eigenvalues[order])) @ vectors[:, order].T
    U, _, Vt = np.linalg.svd(A[:m] @ leading.T)
    return U @ Vt @ leading


def own_initial(A1, A_n):
    """What a client that got A_n (m, k) subtracts in place of A1: P A1, P the polar factor of A_n A1^T."""
    if len(A_n) == len(A1):
        return A1
    U, _, Vt = np.linalg.svd(A_n @ A1.T, full_matrices=False)
    return U @ Vt @ A1


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s L A^T A R  (1), without the Gram matrix of A1 where `fixed` has it."""
    dW = []
    for layer, A in enumerate(state["A"]):
        L = _of_layer(fixed["L"], layer).T
        R = _of_layer(fixed["R"], layer)
        if "U" in state:
            L = reflected_basis(L, state["U"][layer])
            R = reflected_basis(R.T, state["V"][layer]).T
        Q = A.T @ A
        if "A1" in fixed:
            Q = Q - fixed["A1"][layer].T @ fixed["A1"][layer]
        dW.append(scale * L @ Q @ R)  # (1)
    return np.stack(dW)


def reflected_basis(M, U):
    """M (d, k) after one reflection for each column of U (d, r), the j-th of which takes column j of M to that of U."""
    for j in range(U.shape[1]):
        v = M[:, j] - U[:, j]
        if np.linalg.norm(v) > 1e-6:
            v = v / np.linalg.norm(v)
            M = (np.eye(len(M)) - 2 * np.outer(v, v)) @ M
    return M


def _of_layer(M, layer):
    return M[layer] if M.ndim == 3 else M
