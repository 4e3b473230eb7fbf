"""Adapters on frozen linear layers: y = W0 x + B' A' x + s P x.

The layers of a shape group keep each symbol in one tensor with a leading layer axis, as it travels and as the server
holds it. All factors (B', A') of a group are therefore made at once, by one batched product per forward pass of the
model, at a cost that does not depend on the number of tokens.
"""

from collections.abc import Mapping, Sequence
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.pytorch_utils import Conv1D

from clients.linear import stored_weight
from clients.low_rank import low_rank_change
from strategies.bases.basis import Fixed
from strategies.parametrisation import PARAMETRISATIONS, Factors
from strategies.plan import TRAINED, Plan
from strategies.state import Group, Shape, Tensors, fits


class GroupAdapter:
    """The symbols of one shape group, (l, ...) each, and the factors that they make.

    Symbols of a trained role require gradients; PUSHED and FIXED ones do not. Not an nn.Module: the symbols belong to
    the whole group, so they must not appear in the state dict of every layer.
    """

    def __init__(self, group: Group, plan: Plan, rank: int, scale: float, device: torch.device, dtype: torch.dtype):
        parametrisation = PARAMETRISATIONS[plan.adapter]
        self.group = group
        self.shapes: Mapping[str, Shape] = {
            symbol: (len(group.layers), *shape) for symbol, shape in parametrisation.shapes(group, rank).items()
        }
        self.symbols: Tensors = {
            symbol: torch.zeros([size or 0 for size in shape], device=device, dtype=dtype)
            for symbol, shape in self.shapes.items()
        }
        self.assume(plan)
        self.scale = scale
        self._device, self._dtype = device, dtype
        self._common: Fixed = {}
        self._fixed: Fixed = {}
        self._make_factors = parametrisation.factors
        self._make_product = parametrisation.product
        self._factors: Sequence[Factors] = ()
        self._products: Sequence[Sequence[Tensor]] = ()
        self._key: tuple[bool | int, ...] = ()

    def assume(self, plan: Plan) -> None:
        """Have the symbols of trained roles require gradients, and no others."""
        for symbol, tensor in self.symbols.items():
            tensor.requires_grad_(plan.roles[symbol] in TRAINED)
            tensor.grad = None

    def factors(self) -> Sequence[Factors]:
        """(B' (o, m), A' (m, i)) of every layer in float32 or better, also under autocast.

        With gradients they belong to one forward pass, which starts with `forget`; without, they are kept until a
        symbol changes.
        """
        key = (torch.is_grad_enabled(), *(tensor._version for tensor in self.symbols.values()))
        if key != self._key:
            with torch.autocast(self._device.type, enabled=False):
                ups, downs = self._make_factors(self.symbols, self._fixed, self.scale)
                products = self._make_product(self.symbols, self._fixed)
            # unbind, not indexing: its backward pass is one stack, where every index would write zeros (l, ...).
            self._factors = tuple(zip(ups.unbind(), downs.unbind(), strict=True))
            self._products = [matrices.unbind() for matrices in products]
            self._key = key
        return self._factors

    def product(self, index: int) -> Sequence[Tensor]:
        """The matrices of one layer whose product is P (o, i), the part s P of dW beside the factors; () without."""
        self.factors()
        return [layers[index] for layers in self._products]

    def forget(self) -> None:
        """Drop the factors, so that the next layer that asks makes them anew."""
        self._factors, self._key = (), ()

    def fix(self, fixed: Fixed) -> None:
        """Set the bases, moved to the symbols' device and precision."""
        self._common = self._fixed = self._moved(fixed)
        self.forget()

    def rebase(self, own: Fixed) -> None:
        """Put bases of this client's own in place of those of all, until the next call; without any, those of all."""
        if own or self._fixed is not self._common:
            self._fixed = {**self._common, **self._moved(own)} if own else self._common
            self.forget()

    def _moved(self, fixed: Fixed) -> Fixed:
        return {key: value.to(self._device, self._dtype) for key, value in fixed.items()}

    @torch.no_grad()
    def copy(self, tensors: Tensors) -> None:
        """Overwrite symbols, in place but for those whose size changes with the round. Whole numbers stay such."""
        for symbol, tensor in tensors.items():
            old, dtype = self.symbols[symbol], self._dtype if tensor.is_floating_point() else tensor.dtype
            if old.shape != tensor.shape or old.dtype != dtype:
                assert fits(tensor.shape, self.shapes[symbol])
                new = old.new_empty(tensor.shape, dtype=dtype).requires_grad_(old.requires_grad)
                self.symbols[symbol] = new
                self.forget()
            self.symbols[symbol].copy_(tensor)
            self.symbols[symbol].grad = None


class AdaptedLinear(nn.Module):
    """A frozen linear layer of any kind with an adapter beside it: (..., i) -> (..., o)."""

    def __init__(self, base: nn.Module, adapter: GroupAdapter, index: int, dropout: float = 0.0):
        super().__init__()
        self.base = base
        self.adapter, self.index = adapter, index
        self.dropout = nn.Dropout(dropout) if dropout > 0 else nn.Identity()
        self._is_plain = isinstance(base, (nn.Linear, Conv1D)) and stored_weight(base) is not None

    def forward(self, x: Tensor) -> Tensor:
        """base(x) + dropout(x) A'ᵀ B'ᵀ + s x Pᵀ; outside autocast all but base(x) is in the adapter's precision."""
        B_up, A_down = self.factors()
        change = low_rank_change(self._dropped(x, A_down.dtype), A_down, B_up)
        if product := self.adapter.product(self.index):
            inputs = self._widened(x, A_down.dtype)
            for matrix in reversed(product):
                inputs = functional.linear(inputs, matrix)
            change = change + self.adapter.scale * inputs
        y = self.base(x)
        # A plain layer's output is nobody else's yet, and nothing of it is needed for its own backward pass.
        return y.add_(change.to(y.dtype)) if self._is_plain else y + change.to(y.dtype)

    def _dropped(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """What of x goes through the factors; without dropout x itself."""
        return x if isinstance(self.dropout, nn.Identity) else self.dropout(self._widened(x, dtype))

    @staticmethod
    def _widened(x: Tensor, dtype: torch.dtype) -> Tensor:
        return x if torch.is_autocast_enabled(x.device.type) else x.to(dtype)

    def factors(self) -> Factors:
        """B' (o, m) and A' (m, i)."""
        return self.adapter.factors()[self.index]

    def update(self) -> Tensor:
        """dW (o, i), dense."""
        B_up, A_down = self.factors()
        dW = B_up @ A_down
        product = self.adapter.product(self.index)
        return dW + self.adapter.scale * reduce(torch.matmul, product) if product else dW

    @property
    def weight(self) -> Tensor:
        """The base layer's own weight: some models ask a layer for its dtype or device."""
        return self.base.weight  # pyright: ignore[reportReturnType]  # every linear layer has one

    @property
    def bias(self) -> Tensor | None:
        """The base layer's own bias."""
        return self.base.bias  # pyright: ignore[reportReturnType]
