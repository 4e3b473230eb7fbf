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
