"""An optimizer's state as named tensors, so that a client can keep it from one round to the next.

Keys are "name/field": the name of the parameter, as in `AdaptedModel.trained`, and the field of torch's optimizer. A
count of steps, a scalar there, is a tensor (1,) here; float32 counts exactly up to 2^24 steps.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from clients.galore import PROJECTOR, STEPS, GaLore, side_of
from clients.memory import ClientStore
from strategies.state import Shapes, State

Named = Mapping[str, Tensor]
"""An optimizer's parameters by name, in its own order."""
ParamGroup = Mapping[str, Any]
"""One of the optimizer's parameter groups."""
Fields = Mapping[str, tuple[int, ...]]
"""The tensors that belong to one parameter and their shapes; () is a count."""


def _adamw(parameter: Tensor, group: ParamGroup) -> Fields:
    return {"step": (), "exp_avg": tuple(parameter.shape), "exp_avg_sq": tuple(parameter.shape)}


def _sgd(parameter: Tensor, group: ParamGroup) -> Fields:
    return {"momentum_buffer": tuple(parameter.shape)} if group["momentum"] else {}


def _galore(parameter: Tensor, group: ParamGroup) -> Fields:
    if not group["project"]:
        return {}
    *layers, m, n = parameter.shape
    rows = n if side_of(m, n, group["side"]) == "right" else m  # of P, as `galore.projector` makes it
    return {STEPS: (), PROJECTOR: (*layers, rows, group["rank"])}


FIELDS: Mapping[type[Optimizer], Callable[[Tensor, ParamGroup], Fields]] = {AdamW: _adamw, SGD: _sgd, GaLore: _galore}
"""What each optimizer remembers of one parameter; all zeros is what it begins with."""


@dataclass(frozen=True)
class _Slot:
    """Where one tensor of the state lives: `state[field]` of a parameter."""

    state: dict[str, Any]
    field: str
    shape: tuple[int, ...]
    parameter: Tensor

    def read(self) -> Tensor:
        """Zeros before the parameter's first step."""
        value = self.state.get(self.field)
        found = torch.zeros(self.shape) if value is None else value.detach()
        return found.to("cpu", torch.float32, copy=True).reshape(self.shape or (1,))

    def write(self, value: Tensor) -> None:
        # A count stays on the CPU, where the optimizers look at it without waiting for the device.
        like = self.parameter if self.shape else torch.zeros(())
        self.state[self.field] = value.to(like.device, like.dtype, copy=True).reshape(self.shape)


def optimizer_kind(optimizer: Optimizer) -> str:
    """Which optimizer's state it is: "AdamW", "GaLore of SGD"."""
    name = type(optimizer).__name__
    return f"{name} of {optimizer_kind(optimizer.inner)}" if isinstance(optimizer, GaLore) else name


def state_shapes(optimizer: Optimizer, named: Named) -> Shapes:
    """Keys and shapes of what `read_state` gives; nothing for an optimizer without a state."""
    return {key: slot.shape or (1,) for key, slot in _slots(optimizer, named)}


def read_optimizer_state(optimizer: Optimizer, named: Named) -> State:
    """The state as float32 copies on the CPU."""
    return State.from_flat({key: slot.read() for key, slot in _slots(optimizer, named)})


def restore_optimizer_state(optimizer: Optimizer, named: Named, state: State) -> None:
    """Put a state of `state_shapes` into a fresh optimizer, which then goes on as the one that it was read from."""
    flat = state.flat
    for key, slot in _slots(optimizer, named):
        slot.write(flat[key])


@contextmanager
def kept_optimizer_state(optimizer: Optimizer, named: Named, memory: ClientStore) -> Iterator[None]:
    """Within the block the fresh optimizer goes on from what the client remembers; at its end that is remembered.

    Nothing is remembered where the block fails.
    """
    if (state := memory.load()) is not None:
        restore_optimizer_state(optimizer, named, state)
    yield
    memory.save(read_optimizer_state(optimizer, named))


def _slots(optimizer: Optimizer, named: Named) -> Iterator[tuple[str, _Slot]]:
    """Every tensor of the state by key; GaLore's own, then those of the optimizer within it."""
    members = [(parameter, group) for group in optimizer.param_groups for parameter in group["params"]]
    for name, (parameter, group) in zip(named, members, strict=True):
        for field, shape in FIELDS[type(optimizer)](parameter, group).items():
            yield f"{name}/{field}", _Slot(optimizer.state[parameter], field, shape, parameter)
    if isinstance(optimizer, GaLore):
        yield from _slots(optimizer.inner, named)
