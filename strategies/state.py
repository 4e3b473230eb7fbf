"""The vocabulary of all tensors of a run: shape groups, and the states that hold one tensor per group and symbol.

Axes, one legend for all code: `n` clients of the round, `l` layers of a shape group, `r` rank, `o` out_features,
`i` in_features, `k = min(o, i)`. Weights are (o, i), as in nn.Linear.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from jaxtyping import Float, Shaped
from torch import Tensor

_T = TypeVar("_T")

AnyTensor = Shaped[Tensor, "..."]
"""A tensor of whatever shape and dtype its key says."""

HEAD = "head"
"""Name of the pseudo-group of the trained layers outside the adapters."""

HEAD_SYMBOL = "values"
"""The head's one symbol: all its parameters in one flat tensor (h,)."""


def beside(symbol: str, what: str) -> str:
    """Return the name of what the server keeps beside a symbol, of its shape: `beside("A", "momentum")`."""
    return f"{symbol}.{what}"


def shaped_as(symbol: str) -> str:
    """Return the symbol whose shape this one has: itself, or that beside which the server keeps it.

    >>> shaped_as("A.momentum"), shaped_as("A")
    ('A', 'A')
    """
    return symbol.partition(".")[0]


Tensors = dict[str, Tensor]
"""The tensors of one shape group by symbol, each with a leading layer axis: {"A": (l, r, i), "B": (l, o, r)}."""

Shape = tuple[int | None, ...]
"""None: a size that may change from round to round."""

Shapes = Mapping[str, Shape]
"""Wire key "group/symbol" -> shape; None is a size that may change with the round. The order is that on the wire."""


@dataclass(frozen=True)
class Group:
    """All adapted layers of one shape (o, i): they share one tensor per symbol.

    >>> Group(768, 768, ("encoder.layer.0.query", "encoder.layer.0.value")).name
    '768x768'
    """

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


class State(Mapping[str, Tensors]):
    """Tensors of all shape groups, the head among them: group name -> symbol -> tensor with a leading layer axis.

    The same tensors have one flat name each, the key "group/symbol" that they travel under. Groups and symbols keep
    their order; a group without tensors is left out. Methods return new states and leave the tensors as they are.

    >>> import torch
    >>> state = State({"6x5": {"A": torch.ones(3, 2, 5)}, "head": {"values": torch.zeros(9)}})
    >>> state.map(lambda tensor: tensor[..., :1]).sizes
    {'6x5/A': (3, 2, 1), 'head/values': (1,)}
    >>> state.select(["head/values"]).join(State({"4x7": {"A": torch.ones(1, 2, 4)}})).sizes
    {'head/values': (9,), '4x7/A': (1, 2, 4)}
    """

    def __init__(self, groups: Mapping[str, Mapping[str, AnyTensor]] | None = None) -> None:
        self._groups = {name: dict(tensors) for name, tensors in (groups or {}).items() if tensors}

    @classmethod
    def from_flat(cls, flat: Mapping[str, AnyTensor]) -> "State":
        """Make a state of {"group/symbol": tensor}."""
        groups: dict[str, Tensors] = {}
        for key, tensor in flat.items():
            group, symbol = key.rsplit("/", 1)
            groups.setdefault(group, {})[symbol] = tensor
        return cls(groups)

    @property
    def flat(self) -> dict[str, AnyTensor]:
        """{"group/symbol": tensor}; `from_flat` inverts it."""
        return {f"{group}/{symbol}": tensor for group, tensors in self.items() for symbol, tensor in tensors.items()}

    @property
    def sizes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor by key."""
        return {key: tuple(tensor.shape) for key, tensor in self.flat.items()}

    @property
    def adapters(self) -> "State":
        """All groups but the head."""
        return State({name: tensors for name, tensors in self.items() if name != HEAD})

    def map(self, change: Callable[[AnyTensor], AnyTensor]) -> "State":
        """Return the state of what `change` makes of each tensor."""
        return State({name: {s: change(tensor) for s, tensor in tensors.items()} for name, tensors in self.items()})

    def zip(self, by_key: Mapping[str, _T], change: Callable[[AnyTensor, _T], AnyTensor]) -> "State":
        """Return the state of what `change` makes of each tensor and the value that `by_key` has under its key.

        `by_key` is another state's `flat`, or shapes; it may have more keys. Raises KeyError where it lacks one.
        """
        return State.from_flat({key: change(tensor, by_key[key]) for key, tensor in self.flat.items()})

    def select(self, keys: Iterable[str]) -> "State":
        """Return the tensors under these keys, in their order. Raises KeyError for a key that is not there."""
        flat = self.flat
        return State.from_flat({key: flat[key] for key in keys})

    def join(self, other: "State") -> "State":
        """Return all tensors of both; of two under one key the other's."""
        return State({name: {**self.get(name, {}), **other.get(name, {})} for name in {**self, **other}})

    def __getitem__(self, name: str) -> Tensors:
        return self._groups[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)

    def __repr__(self) -> str:
        return f"State({self.sizes})"


def fits(shape: Sequence[int], expected: Shape) -> bool:
    """Whether a tensor's shape is the expected one."""
    return len(shape) == len(expected) and all(e in (None, s) for s, e in zip(shape, expected, strict=True))
