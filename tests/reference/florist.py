"""FLoRIST line by line: arXiv 2506.09199 as its published code has it; NumPy float64, one layer at a time.

Deliberate differences: W0 stays as it is and what the rounds merged is kept beside it, times s; the first module of a
round is the seed's draw on both sides. `base` names how P travels and changes nothing here.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, *, energy, **_):
    """SVDs of the stacks, one of S_B V_B^T U_A S_A, its first p triplets by energy; P += B_g A_g; w sums to 1."""
    P = []
    for layer in range(len(uploads[0]["A"])):
        B_st = np.concatenate([upload["B"][layer] for upload in uploads], axis=1)
        A_st = np.concatenate([w[n] * upload["A"][layer] for n, upload in enumerate(uploads)], axis=0)
        U_B, S_B, Vt_B = np.linalg.svd(B_st, full_matrices=False)
        U_A, S_A, Vt_A = np.linalg.svd(A_st, full_matrices=False)
        U_P, S_P, Vt_P = np.linalg.svd(np.diag(S_B) @ Vt_B @ U_A @ np.diag(S_A), full_matrices=False)
        kept, p = 0.0, 0
        while p < len(S_P) and kept < energy * np.sum(S_P**2):
            kept, p = kept + S_P[p] ** 2, p + 1
        B_g = U_B @ U_P[:, :p] @ np.diag(S_P[:p])
        A_g = Vt_P[:p] @ Vt_A
        before = state["W"][layer] if "W" in state else state["U"][layer] @ state["V"][layer]
        P.append(before + B_g @ A_g)
    return {"W": np.stack(P)}


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s P, as B = 0 after the round."""
    return scale * state["W"]
