"""The vocabulary of all tensors of a run: shape groups, and the states that hold one tensor per group and symbol.

Axes, one legend for all code: `n` clients of the round, `l` layers of a shape group, `r` rank, `o` out_features,
`i` in_features, `k = min(o, i)`. Weights are (o, i), as in nn.Linear.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

HEAD = "head"
"""Name of the pseudo-group of the trained layers outside the adapters."""

HEAD_SYMBOL = "values"
"""The head's one symbol: all its parameters in one flat tensor (h,)."""

Tensors = dict[str, Tensor]
"""The tensors of one shape group by symbol, each with a leading layer axis: {"A": (l, r, i), "B": (l, o, r)}."""

ByGroup = Mapping[str, Tensors]
"""The tensors of all groups by name, the head among them."""

State = dict[str, Tensors]
"""group name -> symbol -> tensor with a leading layer axis; the head is the group HEAD with one flat tensor."""

Shape = tuple[int | None, ...]
"""None: a size that may change from round to round."""

Shapes = Mapping[str, Shape]
"""Wire key "group/symbol" -> shape; None is a size that may change with the round. The order is that on the wire."""


@dataclass(frozen=True)
class Group:
    """All adapted layers of one shape (o, i): they share one tensor per symbol."""

    out_features: int
    in_features: int
    layers: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.out_features}x{self.in_features}"

    @property
    def k(self) -> int:
        return min(self.out_features, self.in_features)


FrozenWeights = Callable[[Group], Float[Tensor, "l o i"]]
"""Returns the frozen W0 of a group's layers, (l, o, i)."""


def fits(shape: Sequence[int], expected: Shape) -> bool:
    """Whether a tensor's shape is the expected one."""
    return len(shape) == len(expected) and all(e in (None, s) for s, e in zip(shape, expected, strict=True))


def select(state: State, shapes: Shapes) -> State:
    """The tensors of a state that `shapes` names, in its order; a group without any is left out."""
    flat = flatten(state)
    return nest({key: flat[key] for key in shapes})


def join(*states: State) -> State:
    """All tensors of some states; of two under one key the later."""
    return nest({key: tensor for state in states for key, tensor in flatten(state).items()})


def flatten(state: ByGroup) -> dict[str, Tensor]:
    """{"group/symbol": tensor} of a nested state."""
    return {f"{group}/{symbol}": tensor for group, tensors in state.items() for symbol, tensor in tensors.items()}


def nest(flat: Mapping[str, Tensor]) -> State:
    """The nested state of {"group/symbol": tensor}."""
    state: State = {}
    for key, tensor in flat.items():
        group, symbol = key.rsplit("/", 1)
        state.setdefault(group, {})[symbol] = tensor
    return state
