"""Linear layers of any storage in the one orientation."""

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from clients.adapters import AdaptedLinear, GroupAdapter
from clients.linear import dense_weight, is_linear, linear_shape
from strategies.state import Group
from tests.support.tiny_models import METHODS


class Quantised(nn.Module):
    """Stands for a quantised layer: sizes and a forward pass, no weight of shape (o, i)."""

    def __init__(self, weight: Tensor, bias: Tensor):
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.step = nn.Parameter(weight.abs().max() / 127)
        self.register_buffer("levels", (weight / self.step.detach()).round().to(torch.int8).flatten())
        self.bias = nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        levels: Tensor = self.get_buffer("levels").view(self.out_features, self.in_features)
        return nn.functional.linear(x, levels * self.step, self.bias)


def test_a_quantised_layer_is_read_and_adapted_through_its_forward_pass():
    layer = Quantised(torch.randn(6, 5), torch.randn(6))
    assert is_linear(layer)
    assert linear_shape(layer) == (6, 5)
    weight = dense_weight(layer)
    torch.testing.assert_close(weight, layer.get_buffer("levels").view(6, 5) * layer.step.detach())
    adapter = GroupAdapter(Group(6, 5, ("x",)), METHODS["lora"].plan, 2, 1.0, torch.device("cpu"), torch.float32)
    adapter.copy({"A": torch.ones(1, 2, 5), "B": torch.ones(1, 6, 2)})
    x = torch.randn(3, 5)
    expected = x @ (weight + 2).T + layer.bias
    torch.testing.assert_close(AdaptedLinear(layer, adapter, 0)(x), expected)


def test_conv1d_is_read_in_the_orientation_of_linear():
    layer = Conv1D(6, 5)
    assert linear_shape(layer) == (6, 5)
    x = torch.randn(3, 5)
    torch.testing.assert_close(layer(x), x @ dense_weight(layer).T + layer.bias)
