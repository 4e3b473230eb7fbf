"""x A'ᵀ B'ᵀ in the adapter's precision, differentiable in all three, with x kept once and in its own precision."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


def low_rank_change(x: Tensor, A_down: Tensor, B_up: Tensor) -> Tensor:
    """Return x A'ᵀ B'ᵀ, (..., i) -> (..., o), in the precision of the factors, or in autocast's.

    Layers that share an input share what is kept of it for the backward pass, also where the backbone is in 16 bits
    and the factors in 32: a plain product would keep a wider copy of it for each layer.
    """
    return _LowRankChange.apply(x, A_down, B_up)  # pyright: ignore[reportReturnType]  # untyped in torch


class _LowRankChange(torch.autograd.Function):
    """The products and bits of functional.linear(functional.linear(x, A'), B') and of their derivatives."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, A_down: Tensor, B_up: Tensor) -> Tensor:
        ctx.kind = x.device.type
        ctx.autocast = torch.is_autocast_enabled(ctx.kind)
        ctx.dtype = torch.get_autocast_dtype(ctx.kind)
        h = functional.linear(x if ctx.autocast else x.to(A_down.dtype), A_down)
        ctx.save_for_backward(x, h, A_down, B_up)
        return functional.linear(h, B_up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        (grad,) = grads
        x, h, A_down, B_up = ctx.saved_tensors
        for_x, for_A, for_B = ctx.needs_input_grad
        dtype = ctx.dtype if ctx.autocast else A_down.dtype
        with torch.autocast(ctx.kind, enabled=False):
            A, B, grad = A_down.to(dtype), B_up.to(dtype), grad.to(dtype)
            of_h = grad @ B if for_x or for_A else None
            of_x = (of_h @ A).to(x.dtype) if for_x and of_h is not None else None
            of_A = _product(of_h, x.to(dtype)).to(A_down.dtype) if for_A and of_h is not None else None
            of_B = _product(grad, h).to(B_up.dtype) if for_B else None
        return of_x, of_A, of_B


def _product(grad: Tensor, inputs: Tensor) -> Tensor:
    """The gradient of a weight (o, i) from those of all outputs (..., o) and the inputs (..., i)."""
    return grad.reshape(-1, grad.shape[-1]).T @ inputs.reshape(-1, inputs.shape[-1])
