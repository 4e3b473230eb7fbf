"""A frozen model with the adapters of one method: filled from a state, trained, read back, taken off again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from clients.adapters import AdaptedLinear, GroupAdapter
from clients.linear import dense_weight, stored_weight
from clients.targets import find_head, linear_layers
from strategies.bases.basis import Fixed
from strategies.plan import FILLED, KEPT, TRAINED, Plan, Role
from strategies.state import HEAD, HEAD_SYMBOL, Group, Shapes, State, fits


class AdaptedModel:
    """Puts adapters on a model in place; as a context manager, takes them off at the end.

    The backbone is frozen and W0 never changes (but for the duration of `merged`). Place the model on its device
    first. Forward passes go through `model` itself, whose pre-hook starts each one with fresh factors.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        plan: Plan,
        groups: Sequence[Group],
        rank: int,
        scale: float,
        dropout: float = 0.0,
    ):
        self.model = model
        self.plan = plan
        self.groups = tuple(groups)
        layers = linear_layers(model)
        self._head = find_head(model)
        self._flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
        self._plain_head = [parameter.detach().clone() for parameter in self._head.values()]
        model.requires_grad_(False)
        for parameter in self._head.values():
            parameter.requires_grad_(plan.head in TRAINED)
        dtype = torch.float64 if model.dtype == torch.float64 else torch.float32
        self._adapters = {
            group.name: GroupAdapter(group, plan, rank, scale, model.device, dtype) for group in self.groups
        }
        self._layers: dict[str, AdaptedLinear] = {}
        for group in self.groups:
            for index, name in enumerate(group.layers):
                layer = AdaptedLinear(layers[name], self._adapters[group.name], index, dropout)
                self._layers[name] = layer.train(model.training)
        self._put(self._layers)
        self._hook = model.register_forward_pre_hook(self._begin_forward)

    def __enter__(self) -> "AdaptedModel":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    @property
    def shapes(self) -> Shapes:
        """Key "group/symbol" -> shape of every tensor that `fill` expects: all but the FIXED, FRESH and SERVER ones."""
        symbols = self.plan.named(*FILLED, *KEPT)
        shapes = {f"{name}/{s}": adapter.shapes[s] for name, adapter in self._adapters.items() for s in symbols}
        if self._head and self.plan.head is not Role.FIXED:
            shapes[f"{HEAD}/{HEAD_SYMBOL}"] = (sum(parameter.numel() for parameter in self._head.values()),)
        return shapes

    def fix(self, fixed: Mapping[str, Fixed]) -> None:
        """Set the FIXED symbols and the bases of every group; they are moved to the model's device and precision.

        Raises ValueError where a FIXED symbol is missing or of another shape.
        """
        assert fixed.keys() == self._adapters.keys(), f"groups {sorted(fixed)} instead of {sorted(self._adapters)}"
        for name, adapter in self._adapters.items():
            symbols = {s: v for s, v in fixed[name].items() if s in adapter.shapes and isinstance(v, Tensor)}
            _require({f"{name}/{s}": adapter.shapes[s] for s in self.plan.named(Role.FIXED)}, State({name: symbols}))
            adapter.copy(symbols)
            adapter.fix({key: value for key, value in fixed[name].items() if key not in symbols})

    def rebase(self, own: Mapping[str, Fixed]) -> None:
        """Set bases of one client in place of those of all, by group; groups that are not there have those of all."""
        for name, adapter in self._adapters.items():
            adapter.rebase(own.get(name, {}))

    def assume(self, plan: Plan) -> None:
        """Train from now on what this plan says, which differs from the last one in roles alone."""
        if plan != self.plan:
            self.plan = plan
            for adapter in self._adapters.values():
                adapter.assume(plan)

    @torch.no_grad()
    def fill(self, state: State) -> None:
        """Copy a state into the adapters and the head in place.

        Raises ValueError, naming the tensors, where some are missing, unknown or of another shape than `shapes`.
        """
        _require(self.shapes, state)
        for name, adapter in self._adapters.items():
            adapter.copy(state[name])
        if HEAD in state:
            sizes = [parameter.numel() for parameter in self._head.values()]
            self._set_head(state[HEAD][HEAD_SYMBOL].split(sizes))

    def refresh(self, fresh: State) -> None:
        """Set the FRESH symbols, and FIXED ones that change with the round, to what the round begins with."""
        required = {
            f"{name}/{s}": a.shapes[s] for name, a in self._adapters.items() for s in self.plan.named(Role.FRESH)
        }
        _require(required, fresh.select(key for key in fresh.flat if key in required))
        for name, tensors in fresh.items():
            self._adapters[name].copy(tensors)

    def read(self, *roles: Role) -> State:
        """The tensors of these roles, and the head where its role is one of them: float32 clones on the CPU."""
        symbols = self.plan.named(*roles)
        parts = {name: {s: _to_cpu(adapter.symbols[s]) for s in symbols} for name, adapter in self._adapters.items()}
        if self.plan.head in roles and self._head:
            parts[HEAD] = {HEAD_SYMBOL: torch.cat([_to_cpu(p).flatten() for p in self._head.values()])}
        return State(parts)

    def weights(self, group: Group) -> Tensor:
        """The frozen W0 of a group's layers, (l, o, i), in the backbone's precision and on its device."""
        return torch.stack([dense_weight(self._layers[name].base) for name in group.layers])

    @property
    def symbols(self) -> State:
        """All that the adapters hold, no copies, bases aside."""
        return State({name: adapter.symbols for name, adapter in self._adapters.items()})

    @property
    def trained(self) -> State:
        """What is trained, no copies: symbols by group, the head's parameters by name in HEAD."""
        parts = {name: adapter.symbols for name, adapter in self._adapters.items()} | {HEAD: self._head}
        trained = {name: {s: v for s, v in part.items() if v.requires_grad} for name, part in parts.items()}
        return State(trained)

    def adapter_parameters(self) -> list[Tensor]:
        """The trained symbols of all groups."""
        return list(self.trained.adapters.flat.values())

    def head_parameters(self) -> list[Tensor]:
        """The trained parameters of the task head."""
        return list(self.trained.get(HEAD, {}).values())

    @property
    def num_trainable(self) -> int:
        """How many numbers a client trains, adapters and head together."""
        return sum(tensor.numel() for tensor in self.adapter_parameters() + self.head_parameters())

    @contextmanager
    def merged(self) -> Iterator[PreTrainedModel]:
        """Within the context the model is plain, its weights W0 + dW; afterwards W0 is back bit for bit.

        For fast generation and for saving a stand-alone model. Raises ValueError where the backbone is quantised.
        """
        originals: list[tuple[Tensor, Tensor]] = []
        self._put({name: layer.base for name, layer in self._layers.items()})
        try:
            for name, layer in self._layers.items():
                weight = stored_weight(layer.base)
                if weight is None:
                    raise ValueError(f"{name} is quantised: dW cannot be merged into it; save the adapter instead")
                originals.append((weight, weight.detach().clone()))
                with torch.no_grad():
                    weight.copy_(weight + layer.update())
            yield self.model
        finally:
            with torch.no_grad():
                for weight, original in originals:
                    weight.copy_(original)
            self._put(self._layers)
            self.model.train(self.model.training)

    def remove(self) -> None:
        """Restore the plain model: the same modules, the same bits (the head's too), the same requires_grad."""
        self._hook.remove()
        self._put({name: layer.base for name, layer in self._layers.items()})
        self._set_head(self._plain_head)
        for parameter, flag in self._flags:
            parameter.requires_grad_(flag)

    def _put(self, modules: Mapping[str, nn.Module]) -> None:
        """Set modules of the model by qualified name."""
        for name, module in modules.items():
            self.model.set_submodule(name, module)

    def _begin_forward(self, *_: object) -> None:
        """A forward pass with gradients needs factors, and a graph behind them, of its own.

        Made here and not at their first use: activation checkpointing repeats parts of the pass, which must find them.
        """
        if torch.is_grad_enabled():
            for adapter in self._adapters.values():
                adapter.forget()
                adapter.factors()

    @torch.no_grad()
    def _set_head(self, values: Iterable[Tensor]) -> None:
        """Overwrite the head's parameters, in order, with as many tensors of as many elements."""
        for parameter, value in zip(self._head.values(), values, strict=True):
            parameter.copy_(value.view_as(parameter))
            parameter.grad = None


def _to_cpu(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", torch.float32, copy=True)


def _require(expected: Shapes, state: State) -> None:
    """Raise ValueError that names every difference between the shapes expected and those of a state."""
    given = state.sizes
    problems = [f"{key} {shape} is missing" for key, shape in expected.items() if key not in given]
    problems += [f"{key} {shape} is unknown" for key, shape in given.items() if key not in expected]
    shared = [key for key in expected if key in given]
    problems += [
        f"{key} is {given[key]}, expected {expected[key]}" for key in shared if not fits(given[key], expected[key])
    ]
    if problems:
        raise ValueError(f"the state does not fit the model: {'; '.join(problems)}. Other model, rank or targets?")
