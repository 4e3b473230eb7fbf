"""The linear layers of Hugging Face models, in the one orientation of this project: W (o, i), y = x Wᵀ + b."""

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D


def is_linear(module: nn.Module) -> bool:
    """Whether the module is a linear layer: nn.Linear, Conv1D, or a quantised layer that names its sizes."""
    if isinstance(module, (nn.Linear, Conv1D)):
        return True
    sizes = (getattr(module, "in_features", None), getattr(module, "out_features", None))
    return all(isinstance(size, int) for size in sizes)


def linear_shape(module: nn.Module) -> tuple[int, int]:
    """(o, i) of a linear layer; Conv1D stores its weight as (i, o)."""
    if isinstance(module, Conv1D):
        i, o = module.weight.shape
        return o, i
    assert is_linear(module), f"{type(module).__name__} is not a linear layer"
    return int(module.out_features), int(module.in_features)  # pyright: ignore[reportArgumentType]  # untyped module


def stored_weight(module: nn.Module) -> Tensor | None:
    """W (o, i) as a view of the layer's own storage; None where the layer keeps it quantised."""
    if isinstance(module, Conv1D):
        return module.weight.T
    weight = getattr(module, "weight", None)
    is_plain = isinstance(weight, Tensor) and weight.is_floating_point() and weight.shape == linear_shape(module)
    return weight if is_plain else None


@torch.no_grad()
def dense_weight(module: nn.Module) -> Tensor:
    """W (o, i), without gradient; a quantised layer is read through its own forward pass: Wᵀ = layer(I) - layer(0)."""
    weight = stored_weight(module)
    if weight is not None:
        return weight.detach()
    device = next(module.parameters()).device
    inputs = torch.eye(linear_shape(module)[1] + 1, linear_shape(module)[1], device=device)
    outputs = module(inputs)
    return (outputs[:-1] - outputs[-1:]).T
