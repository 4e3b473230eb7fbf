"""What several methods share: plain LoRA factors, dW = s B A with B (l, o, r) and A (l, r, i), or whole weights."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from strategies.linalg import balanced_factors, svd_of_product
from strategies.plan import Plan, Role
from strategies.rng import generator
from strategies.state import Group, Tensors

Form = Literal["dense", "factored"]
"""Of the part P of dW = s (B A + P) that a server pushes: W (l, o, i), or U V whose width grows with the rounds."""


def plan_with_merged_update(form: Form, A: Role, B: Role, weighting: Literal["uniform", "examples"]) -> Plan:
    """Make the plan of a method with dW = s (B A + P) whose server makes P.

    Args:
        form: how P travels.
        A: the role of A.
        B: the role of B.
        weighting: the aggregation weights of the method's paper.
    """
    pushed = ("W",) if form == "dense" else ("U", "V")
    roles = {"A": A, "B": B, **dict.fromkeys(pushed, Role.PUSHED)}
    return Plan(adapter=f"lora+{form}", roles=roles, weighting=weighting)


def initial_A(group: Group, rank: int, seed: int, *keys: int) -> Float[Tensor, "l r i"]:
    """Draw the usual start of A, uniform in (-1/sqrt(i), 1/sqrt(i)) as in loralib and PEFT.

    Args:
        group: whose layers.
        rank: r.
        seed: that of the run.
        keys: tell one draw of a run from another, such as the round.

    Returns:
        A (l, r, i), float32, the same bits wherever it is drawn.
    """
    bound = 1 / math.sqrt(group.in_features)
    shape = (len(group.layers), rank, group.in_features)
    return torch.from_numpy(generator(seed, "initial-A", group.name, *keys).uniform(-bound, bound, shape)).float()


def initial_B(group: Group, rank: int) -> Float[Tensor, "l o r"]:
    """Return B = 0 (l, o, r), so that training starts at W0."""
    return torch.zeros(len(group.layers), group.out_features, rank)


def initial_factors(group: Group, rank: int, seed: int) -> Tensors:
    """Return the usual start of both factors: A (l, r, i) uniform, B (l, o, r) zero."""
    return {"A": initial_A(group, rank, seed), "B": initial_B(group, rank)}


def append_factors(state: Tensors, U: Float[Tensor, "l o m"], V: Float[Tensor, "l m i"]) -> Tensors:
    """Add a product to a pushed one in factored form, the columns and rows of both side by side.

    Args:
        state: has "U" (l, o, p) and "V" (l, p, i).
        U: left factors of what is added.
        V: right factors of what is added.

    Returns:
        "U" (l, o, p + m) and "V" (l, p + m, i) of the sum. Beyond a width of min(o, i) it is decomposed anew at that
        width, without loss, with S^(1/2) on each side.
    """
    U, V = torch.cat([state["U"], U], -1), torch.cat([state["V"], V], -2)
    if U.shape[-1] > min(U.shape[-2], V.shape[-1]):
        U, V = balanced_factors(*svd_of_product(U, V))
    return {"U": U, "V": V}


def zero_merged_update(group: Group, form: Form) -> Tensors:
    """P = 0: "W" (l, o, i), or "U" and "V" of no width."""
    num_layers, o, i = len(group.layers), group.out_features, group.in_features
    if form == "dense":
        return {"W": torch.zeros(num_layers, o, i)}
    return {"U": torch.zeros(num_layers, o, 0), "V": torch.zeros(num_layers, 0, i)}


def side_by_side(
    B: Float[Tensor, "n l o r"], A: Float[Tensor, "n l r i"], w: Float[Tensor, " n"]
) -> tuple[Float[Tensor, "l o n*r"], Float[Tensor, "l n*r i"]]:
    """Write the weighted mean of products as one product of factors side by side, without adding anything up.

    Args:
        B: left factors of n clients.
        A: their right factors.
        w: their weights, which enter the left factors only.

    Returns:
        [w_1 B_1 ... w_n B_n] and [A_1; ...; A_n], whose product is sum_n w_n B_n A_n.

    Example:
        >>> B, A = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1), torch.tensor([2.0, 5.0]).view(2, 1, 1, 1)
        >>> left, right = side_by_side(B, A, torch.tensor([0.25, 0.75]))
        >>> left.tolist(), right.tolist(), (left @ right).item()
        ([[[0.25, 2.25]]], [[[2.0], [5.0]]], 11.75)
    """
    weighted = B * w.view(-1, 1, 1, 1)
    return weighted.movedim(0, -2).flatten(-2), A.movedim(0, -3).flatten(-3, -2)


def initial_change(group: Group) -> Tensors:
    """D = 0: training starts at W0."""
    return {"D": torch.zeros(len(group.layers), group.out_features, group.in_features)}
