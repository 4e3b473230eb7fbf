"""What several methods share: plain LoRA factors, dW = s B A with B (l, o, r) and A (l, r, i), or whole weights."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from strategies.linalg import svd_of_product
from strategies.method import Plan, Role
from strategies.rng import generator
from strategies.state import Group, Tensors

Form = Literal["dense", "factored"]
"""Of the part P of dW = s (B A + P) that a server pushes: W (l, o, i), or U V whose width grows with the rounds."""


def plan_with_merged_update(form: Form, A: Role, B: Role, weighting: Literal["uniform", "examples"]) -> Plan:
    """The plan of a method whose server pushes a part P."""
    pushed = ("W",) if form == "dense" else ("U", "V")
    roles = {"A": A, "B": B, **dict.fromkeys(pushed, Role.PUSHED)}
    return Plan(adapter=f"lora+{form}", roles=roles, weighting=weighting)


def initial_A(group: Group, rank: int, seed: int, *keys: int) -> Float[Tensor, "l r i"]:
    """A ~ U(-1/sqrt(i), 1/sqrt(i)), (l, r, i), as in loralib and PEFT; `keys` tell one draw of a run from another."""
    bound = 1 / math.sqrt(group.in_features)
    shape = (len(group.layers), rank, group.in_features)
    return torch.from_numpy(generator(seed, "initial-A", group.name, *keys).uniform(-bound, bound, shape)).float()


def initial_B(group: Group, rank: int) -> Float[Tensor, "l o r"]:
    """B = 0, (l, o, r), so that training starts at W0."""
    return torch.zeros(len(group.layers), group.out_features, rank)


def initial_factors(group: Group, rank: int, seed: int) -> Tensors:
    """The usual start of both factors."""
    return {"A": initial_A(group, rank, seed), "B": initial_B(group, rank)}


def append_factors(state: Tensors, U: Float[Tensor, "l o m"], V: Float[Tensor, "l m i"]) -> Tensors:
    """Factors "U" (l, o, m) and "V" (l, m, i) of state U V + U V, the columns and rows of both side by side.

    Beyond m = min(o, i) the product is decomposed anew at that width, without loss, S^(1/2) on each side.
    """
    U, V = torch.cat([state["U"], U], -1), torch.cat([state["V"], V], -2)
    if U.shape[-1] > min(U.shape[-2], V.shape[-1]):
        X, S, Yh = svd_of_product(U, V)
        root = S.sqrt()
        U, V = X * root.unsqueeze(-2), root.unsqueeze(-1) * Yh
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
    """Factors [w_1 B_1 ... w_n B_n] (l, o, n r) and [A_1; ...; A_n] (l, n r, i) of sum_n w_n B_n A_n.

    B (n, l, o, r) and A (n, l, r, i) are the stacked uploads; the weights w (n,) enter one factor only.
    """
    weighted = B * w.view(-1, 1, 1, 1)
    return weighted.movedim(0, -2).flatten(-2), A.movedim(0, -3).flatten(-3, -2)


def initial_change(group: Group) -> Tensors:
    """D = 0: training starts at W0."""
    return {"D": torch.zeros(len(group.layers), group.out_features, group.in_features)}
