"""x A'ᵀ B'ᵀ in the adapter's precision, with x kept for the backward pass once and in its own precision."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


def low_rank_change(x: Tensor, A_down: Tensor, B_up: Tensor) -> Tensor:
    """Return x A'ᵀ B'ᵀ, (..., i) -> (..., o), in the precision of the factors, or in autocast's.

    Where the backbone is in 16 bits and the factors in 32, layers that share an input share what is kept of it: plain
    products would keep a wider copy of it for each of them.
    """
    if x.dtype == A_down.dtype or torch.is_autocast_enabled(x.device.type):
        return functional.linear(functional.linear(x, A_down), B_up)
    return _WidenedProducts.apply(x, A_down, B_up)  # pyright: ignore[reportReturnType]  # untyped in torch


class _WidenedProducts(torch.autograd.Function):
    """The bits of functional.linear(functional.linear(x.to(A'.dtype), A'), B') and of its derivatives."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, A_down: Tensor, B_up: Tensor) -> Tensor:
        h = functional.linear(x.to(A_down.dtype), A_down)
        ctx.save_for_backward(x, h, A_down, B_up)
        return functional.linear(h, B_up)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the decorator is untyped
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        (grad,) = grads
        x, h, A_down, B_up = ctx.saved_tensors
        for_x, for_A, for_B = ctx.needs_input_grad
        of_h = grad @ B_up
        of_x = (of_h @ A_down).to(x.dtype) if for_x else None
        of_A = _product(of_h, x.to(A_down.dtype)) if for_A else None
        of_B = _product(grad, h) if for_B else None
        return of_x, of_A, of_B


def _product(grad: Tensor, inputs: Tensor) -> Tensor:
    """The gradient of a weight (o, i) from those of all outputs (..., o) and the inputs (..., i)."""
    return grad.reshape(-1, grad.shape[-1]).T @ inputs.reshape(-1, inputs.shape[-1])
