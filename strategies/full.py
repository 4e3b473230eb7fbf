"""What the methods that train whole weights have in common: dW = D (l, o, i), no rank and no scale."""

import torch

from strategies.method import Group, Tensors


def initial_change(group: Group) -> Tensors:
    """D = 0: training starts at W0."""
    return {"D": torch.zeros(len(group.layers), group.out_features, group.in_features)}
