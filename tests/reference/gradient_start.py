"""A start from the gradient line by line, by dense matrices and their SVD; NumPy float64, one layer at a time."""

import numpy as np


def mean_gradient(G_n, w):
    """G = sum_n w_n G_n (o, i); w sums to 1."""
    G = np.zeros_like(G_n[0])
    for n in range(len(G_n)):
        G = G + w[n] * G_n[n]
    return G


def directions(G, r):
    """U_r (o, r), S_r and V_r (i, r) of G = U S V^T."""
    U, S, Vt = np.linalg.svd(G)
    return U[:, :r], S[:r], Vt[:r].T


def florg_gradient(G, L, R, A, scale):
    """The gradient in A of a loss whose gradient in W is G: A (H + H^T), H = s L^T G R^T  (FLoRG eq. 2)."""
    H = scale * L.T @ G @ R.T
    return A @ (H + H.T)
