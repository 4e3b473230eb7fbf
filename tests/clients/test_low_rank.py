"""The change of an adapted layer: the bits and derivatives of two plain products, and less kept of the input."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from clients.low_rank import _WidenedProducts, low_rank_change

SHAPES = pytest.mark.parametrize("lead", [(5,), (2, 7)], ids=["rows", "batch of rows"])


def plain(x: Tensor, A_down: Tensor, B_up: Tensor) -> Tensor:
    inputs = x if torch.is_autocast_enabled("cpu") else x.to(A_down.dtype)
    return functional.linear(functional.linear(inputs, A_down), B_up)


def tensors(*lead: int, dtype: torch.dtype = torch.float32, of_x: torch.dtype | None = None) -> list[Tensor]:
    rng = torch.Generator().manual_seed(0)
    shapes = {"x": (*lead, 6), "A": (3, 6), "B": (4, 3)}
    made = [torch.randn(shape, generator=rng, dtype=dtype) for shape in shapes.values()]
    made[0] = made[0].to(of_x or dtype)
    return [tensor.requires_grad_() for tensor in made]


def derivatives(function, inputs: list[Tensor]) -> list[Tensor]:
    y = function(*inputs)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y.dtype)
    return [y.detach(), *torch.autograd.grad(y, inputs, weights)]


@SHAPES
@pytest.mark.parametrize("function", [low_rank_change, _WidenedProducts.apply])
def test_derivatives_agree_with_finite_differences(lead, function):
    assert torch.autograd.gradcheck(function, tensors(*lead, dtype=torch.float64))


@SHAPES
@pytest.mark.parametrize("of_x", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("autocast", [False, True])
def test_value_and_derivatives_are_those_of_plain_products(lead, of_x, autocast):
    inputs = tensors(*lead, of_x=of_x)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        found, expected = derivatives(low_rank_change, inputs), derivatives(plain, inputs)
    assert [tensor.dtype for tensor in found] == [tensor.dtype for tensor in expected]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_they_are_the_same_when_the_block_is_computed_again():
    inputs = tensors(2, 7, of_x=torch.bfloat16)
    again = derivatives(lambda *given: checkpoint(low_rank_change, *given, use_reentrant=False), inputs)
    for one, other in zip(again, derivatives(low_rank_change, inputs), strict=True):
        assert torch.equal(one, other)


def test_only_what_is_asked_for_is_computed():
    x, A_down, B_up = tensors(2, 7, of_x=torch.bfloat16)
    for wanted in ([x], [A_down], [B_up]):
        for tensor in (x, A_down, B_up):
            tensor.requires_grad_(any(tensor is one for one in wanted))
        (found,) = torch.autograd.grad(low_rank_change(x, A_down, B_up).sum(), wanted)
        (expected,) = torch.autograd.grad(plain(x, A_down, B_up).sum(), wanted)
        assert torch.equal(found, expected)


def test_layers_that_share_an_input_of_16_bits_keep_it_once_and_as_it_is():
    x, A_down, B_up = tensors(2, 7, of_x=torch.bfloat16)
    kept: dict[int, tuple[torch.dtype, int]] = {}

    def note(tensor: Tensor) -> Tensor:
        if tensor.shape[-1] == 6 and tensor.dim() == 3:
            kept[tensor.data_ptr()] = tensor.dtype, tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        y = low_rank_change(x, A_down, B_up) + low_rank_change(x, 2 * A_down, B_up)
    assert list(kept.values()) == [(torch.bfloat16, 2 * 7 * 6)]
    y.sum().backward()
