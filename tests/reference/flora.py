"""FLoRA line by line: arXiv 2409.05976, section 3; NumPy float64, one layer at a time.

Uploads may have ranks of their own. Deliberate differences: W0 stays as it is and the merged stacks of all rounds are
kept beside it, times s; the first module is the seed's draw for the round on both sides, where the paper lets every
client begin with its own.
`base` names how the merged part travels and changes nothing here.
"""

import numpy as np

WEIGHTING = "examples"
"""How the clients weigh in the mean: as in the paper, or in its code where the paper is silent."""


def aggregate(t, state, uploads, w, **_):
    """P += B_st A_st with A_st = [A_1; A_2; ...] and B_st = [w_1 B_1, w_2 B_2, ...]; w sums to 1."""
    P = []
    for layer in range(len(uploads[0]["A"])):
        A_st = np.concatenate([upload["A"][layer] for upload in uploads], axis=0)
        B_st = np.concatenate([w[n] * upload["B"][layer] for n, upload in enumerate(uploads)], axis=1)
        before = state["W"][layer] if "W" in state else state["U"][layer] @ state["V"][layer]
        P.append(before + B_st @ A_st)
    return {"W": np.stack(P)}


def delta_weight(state, fixed, scale):
    """dW (l, o, i) = s P, as B = 0 after the round."""
    return scale * state["W"]
