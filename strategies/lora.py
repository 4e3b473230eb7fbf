"""What the methods on plain LoRA factors, dW = s B A with B (l, o, r) and A (l, r, i), have in common."""

import math

import torch
from torch import Tensor

from strategies.method import Group, Tensors
from strategies.rng import generator


def initial_A(group: Group, rank: int, seed: int, *keys: int) -> Tensor:
    """A ~ U(-1/sqrt(i), 1/sqrt(i)), (l, r, i), as in loralib and PEFT; `keys` tell one draw of a run from another."""
    bound = 1 / math.sqrt(group.in_features)
    shape = (len(group.layers), rank, group.in_features)
    return torch.from_numpy(generator(seed, "initial-A", group.name, *keys).uniform(-bound, bound, shape)).float()


def initial_B(group: Group, rank: int) -> Tensor:
    """B = 0, (l, o, r), so that training starts at W0."""
    return torch.zeros(len(group.layers), group.out_features, rank)


def initial_factors(group: Group, rank: int, seed: int) -> Tensors:
    """The usual start of both factors."""
    return {"A": initial_A(group, rank, seed), "B": initial_B(group, rank)}


def side_by_side(B: Tensor, A: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """Factors [w_1 B_1 ... w_n B_n] (l, o, n r) and [A_1; ...; A_n] (l, n r, i) of sum_n w_n B_n A_n.

    B (n, l, o, r) and A (n, l, r, i) are the stacked uploads; the weights w (n,) enter one factor only.
    """
    weighted = B * w.view(-1, 1, 1, 1)
    return weighted.movedim(0, -2).flatten(-2), A.movedim(0, -3).flatten(-3, -2)
