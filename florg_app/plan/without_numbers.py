"""Tensors that have sizes and no numbers, and the bytes that they would take.

A model of any size, its training steps and a server's aggregation run on them in little time and no memory: torch works
out the shape of every result and computes nothing.
"""

import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_aten = torch.ops.aten


@contextmanager
def without_numbers() -> Iterator["LiveBytes"]:
    """Within the block all that torch makes has a shape and a dtype, and no numbers; yields what counts its bytes.

    Code that asks for a number gets 1, for a truth yes, and a mask chooses everything.
    """
    live = LiveBytes()
    with FakeTensorMode(allow_non_fake_inputs=True), _AssumedArrays(), _AssumedValues(live), live:
        yield live


class _AssumedValues(TorchDispatchMode):
    """Answers what depends on numbers that nobody has."""

    def __init__(self, live: "LiveBytes") -> None:
        super().__init__()
        self._live = live

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        try:
            return func(*args, **kwargs)
        except DataDependentOutputException:
            assert func is _aten._local_scalar_dense.default, f"no number is assumed for {func}"
            self._live.counts_assumed += isinstance(_one(args[0].dtype), int) and args[0].dtype is not torch.bool
            return _one(args[0].dtype)
        except DynamicOutputShapeException:
            if func is _aten.nonzero.default:
                return args[0].new_zeros((args[0].numel(), args[0].dim()), dtype=torch.long)
            assert func is _aten.index.Tensor, f"no size is assumed for {func}"
            return func(args[0], _everywhere(args[1]), **kwargs)


class _AssumedArrays(TorchFunctionMode):
    """Gives arrays and lists of ones where code leaves torch for them."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.numpy:
            one = np.full((), _one(args[0].dtype), str(args[0].dtype).removeprefix("torch."))
            return np.broadcast_to(one, tuple(args[0].shape))
        if func is Tensor.tolist:
            return np.full(tuple(args[0].shape), _one(args[0].dtype)).tolist()
        return func(*args, **(kwargs or {}))


def _one(dtype: torch.dtype) -> bool | int | float:
    return True if dtype is torch.bool else 1.0 if dtype.is_floating_point else 1


def _everywhere(indices: Iterable[Tensor | None]) -> list[Tensor | None]:
    """The places that masks choose where they choose all, as numbers along each axis."""
    places: list[Tensor | None] = []
    for index in indices:
        if index is None or index.dtype is not torch.bool:
            places.append(index)
        else:
            places += [index.new_zeros(index.numel(), dtype=torch.long)] * index.dim()
    return places


class LiveBytes(TorchDispatchMode):
    """The bytes of all tensors that were made while it was active and are still needed, and the most there were."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.peak = 0, 0
        self.counts_assumed = 0
        """How often code asked for a whole number that nobody knows, such as a width that follows from values."""
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._note(tensor.untyped_storage())
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known:
            return
        self._known.add(storage)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, storage.nbytes())

    def _forget(self, size: int) -> None:
        self.now -= size

    @contextmanager
    def rise(self) -> Iterator[list[int]]:
        """Yields a list that holds once the block has ended: by how many bytes the most in it exceeded its start."""
        before, found = self.now, [0]
        self.peak = before
        yield found
        found[0] = self.peak - before


def drop_numbers(model: nn.Module) -> None:
    """Give a model, in place, tensors of the same sizes without numbers; shared ones stay shared. Within the block."""
    known: dict[int, Tensor] = {}
    for module in model.modules():
        registries: Any = (module._parameters, module._buffers, vars(module))
        for registry in registries:
            for name, tensor in registry.items():
                if isinstance(tensor, Tensor):
                    registry[name] = known.setdefault(id(tensor), _sized_as(tensor))


def _sized_as(tensor: Tensor) -> Tensor:
    made = torch.empty(tensor.shape, dtype=tensor.dtype)
    return nn.Parameter(made, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else made


def bytes_within(*values: object) -> int:
    """The bytes of all tensors in these values, in mappings, sequences and attributes of objects too, each once."""
    storages = {id(tensor.untyped_storage()): tensor.untyped_storage() for tensor in _tensors_within(values)}
    return sum(storage.nbytes() for storage in storages.values())


def _tensors_within(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _tensors_within(tuple(value.values()))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _tensors_within(one)
    elif hasattr(value, "__dict__"):
        yield from _tensors_within(vars(value))
