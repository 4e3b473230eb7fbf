"""Clients of lower rank: what is cut off their messages, and the zeros that take its place.

A pair of a zero row of A and a zero column of B adds nothing to B A and has no gradient. So a client of rank r_n trains
exactly the adapter of that rank where its tensors are cut to r_n and padded with zeros to the largest rank, and the
server aggregates padded uploads as any others. Which axis is the rank follows from the shapes at two ranks.
"""

from collections.abc import Mapping, Sequence

from jaxtyping import Shaped
from torch import Tensor
from torch.nn import functional

from strategies.manifest import Manifest
from strategies.method import Role
from strategies.state import Shape, Shapes, State


def rank_of(partition: int, given: Sequence[int], lowered: Mapping[int, int], largest: int) -> int:
    """The rank of a client: what it has come down to, else its turn of `given`, else the largest."""
    return lowered.get(partition, given[partition % len(given)] if given else largest)


def cut(state: State, shapes: Shapes) -> State:
    """The leading elements of each tensor along each axis, as many as `shapes` says; views. None: all of them."""
    return state.zip(shapes, lambda tensor, shape: tensor[tuple(map(slice, shape))])


def padded(state: State, shapes: Shapes) -> State:
    """Each tensor with zeros behind its elements up to the size that `shapes` says. None: as it is."""
    return state.zip(shapes, _padded)


def limited(state: State, manifest: Manifest, rank: int) -> State:
    """A state with zeros in place of what a client of this rank has not."""
    return padded(cut(state, manifest.at(rank).shapes(*Role)), manifest.shapes(*Role))


def _padded(tensor: Shaped[Tensor, "..."], shape: Shape) -> Shaped[Tensor, "..."]:
    missing = [0 if size is None else size - have for size, have in zip(shape, tensor.shape, strict=True)]
    assert min(missing) >= 0, f"{tuple(tensor.shape)} is larger than {shape}"
    before_and_behind = [count for behind in reversed(missing) for count in (0, behind)]
    return functional.pad(tensor, before_and_behind) if any(missing) else tensor
