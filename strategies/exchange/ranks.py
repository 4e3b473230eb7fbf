"""Clients of lower rank: what is cut off their messages, and what takes its place.

A pair of a zero row of A and a zero column of B adds nothing to B A and has no gradient. So a client of rank r_n trains
exactly the adapter of that rank where its tensors are cut to r_n and padded with zeros to the largest rank, and the
server aggregates padded uploads as any others. Which axis is the rank follows from the shapes at two ranks. A method
may turn its state first, so that what is cut off is the least of it, and may count what a client was not sent as it
is, where zeros would pull the mean towards zero.
"""

from collections.abc import Mapping, Sequence

from jaxtyping import Shaped
from torch import Tensor
from torch.nn import functional

from strategies.manifest import Manifest
from strategies.method import Method
from strategies.plan import Role
from strategies.state import HEAD, Shape, Shapes, State


def rank_of(partition: int, given: Sequence[int], lowered: Mapping[int, int], largest: int) -> int:
    """Return the rank of a client.

    Args:
        partition: its partition id.
        given: ranks by turns, as `strategy.client-ranks` lists them; () where all clients have the largest.
        lowered: by partition, ranks to which clients have come down by self-pruning; they go before all others.
        largest: the rank of the run.

    Example:
        >>> [rank_of(partition, [8, 4], {2: 3}, 8) for partition in range(4)]
        [8, 4, 3, 4]
    """
    return lowered.get(partition, given[partition % len(given)] if given else largest)


def cut(state: State, shapes: Shapes) -> State:
    """Return the leading elements of each tensor along each axis, as views.

    Args:
        state: tensors at the largest rank.
        shapes: by wire key, how many elements are left along each axis; None leaves all of them.
    """
    return state.zip(shapes, lambda tensor, shape: tensor[tuple(map(slice, shape))])


def padded(state: State, shapes: Shapes) -> State:
    """Return each tensor with zeros behind its elements along each axis: the inverse of `cut` but for what that lost.

    Args:
        state: tensors, none larger than its shape here.
        shapes: by wire key, the size along each axis; None leaves an axis as it is.
    """
    return state.zip(shapes, _padded)


def limited(state: State, manifest: Manifest, rank: int) -> State:
    """A state with zeros in place of what a client of this rank has not."""
    return padded(cut(state, manifest.at(rank).shapes(*Role)), manifest.shapes(*Role))


def led_state(method: Method, state: State, rank: int, largest: int) -> State:
    """Return the state as a client of this rank is served from it, who gets its leading part.

    Args:
        method: turns it.
        state: the server's.
        rank: of the client.
        largest: the rank of the run, at which the state stays as it is.
    """
    if rank == largest:
        return state
    return State({name: part if name == HEAD else method.led_by(part, rank) for name, part in state.items()})


def completed(method: Method, upload: State, led: State, shapes: Shapes) -> State:
    """Return an upload at the largest rank.

    Args:
        method: says by its traits whether zeros or the state's own numbers take the place of what the client had not.
        upload: what a client of any rank sent.
        led: the state from which its part was cut, see `led_state`.
        shapes: by wire key, the sizes at the largest rank.
    """
    rest = led.flat if method.traits.keeps_rest else {}
    return State.from_flat(
        {
            key: laid_over(tensor, rest[key]) if key in rest else _padded(tensor, shapes[key])
            for key, tensor in upload.flat.items()
        }
    )


def laid_over(part: Shaped[Tensor, "..."], whole: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
    """Return the whole with the part in place of its leading elements along each axis, as the part is typed and placed.

    Neither is changed; a part as large as the whole is returned itself.
    """
    if part.shape == whole.shape:
        return part
    made = whole.to(part.device, part.dtype, copy=True)
    made[tuple(map(slice, part.shape))] = part
    return made


def _padded(tensor: Shaped[Tensor, "..."], shape: Shape) -> Shaped[Tensor, "..."]:
    missing = [0 if size is None else size - have for size, have in zip(shape, tensor.shape, strict=True)]
    assert min(missing) >= 0, f"{tuple(tensor.shape)} is larger than {shape}"
    before_and_behind = [count for behind in reversed(missing) for count in (0, behind)]
    return functional.pad(tensor, before_and_behind) if any(missing) else tensor
