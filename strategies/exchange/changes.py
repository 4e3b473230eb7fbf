"""Coded uploads: what is sent is the change against what both sides know, and what did not fit waits for the next."""

import torch
from flwr.app import ArrayRecord

from strategies.exchange.codecs.codec import Codec
from strategies.exchange.coding import RoundingStream, encode_state
from strategies.exchange.ranks import cut, padded
from strategies.manifest import Manifest
from strategies.plan import Role
from strategies.state import AnyTensor, Shapes, State


def known_start(manifest: Manifest, start: State, shapes: Shapes) -> State:
    """Return what server and client know alike of an upload before it is sent, the reference of its changes.

    That is what the round begins with: the broadcast, and what comes from the seed. Of REPORTED tensors, which a client
    keeps to itself, the server knows nothing: their reference is 0, so that their value is sent.

    Args:
        manifest: whose roles.
        start: the state with which the round begins, on either side; its REPORTED tensors are not read.
        shapes: of the upload, at its rank, by key.
    """
    own = manifest.shapes(Role.REPORTED)
    flat = cut(start.select(shapes), shapes).flat
    return State.from_flat({key: torch.zeros_like(x) if key in own else x for key, x in flat.items()})


def encode_changes(
    sent: State, reference: State, rest: State | None, codec: Codec, stream: RoundingStream
) -> tuple[ArrayRecord, State]:
    """Encode an upload as its change, with what earlier ones could not carry added to it.

    Args:
        sent: what the client would upload.
        reference: `known_start` of it.
        rest: what `encode_changes` left over in the client's last round, by key, padded as its store has it; tensors
            of it that have another number of axes or are smaller belong to others. None: nothing is.
        codec: of the uploads.
        stream: of the draws.

    Returns:
        The arrays, and what they could not carry of change and rest: change + rest - decoded, for every key.
    """
    change = sent.zip(reference.flat, lambda x, start: x.to("cpu", torch.float32) - start.to("cpu", torch.float32))
    due = change if rest is None else _with_rest(change, rest)
    arrays, decoded = encode_state(due, due.sizes, codec, stream)
    return arrays, due.zip(decoded.flat, torch.sub)


def rest_to_keep(left: State, earlier: State | None, shapes: Shapes) -> State:
    """Return what a client remembers for its next upload, zeros where it has nothing.

    Of tensors that were not sent the earlier rest stays. So it does for all where some number is not finite, as after a
    training that diverged, for the upload that had taken it along is rejected.

    Args:
        left: what `encode_changes` could not carry.
        earlier: what the client remembered before; None: nothing.
        shapes: of what it remembers, by key, at the largest rank.
    """
    flat = left.flat
    known = earlier.flat if earlier else {key: torch.zeros([size or 0 for size in s]) for key, s in shapes.items()}
    if not all(bool(torch.isfinite(tensor).all()) for tensor in flat.values()):
        return State.from_flat(dict(known))
    now = padded(State.from_flat({key: flat[key] for key in shapes if key in flat}), shapes).flat
    return State.from_flat({key: now.get(key, known[key]) for key in shapes})


def _with_rest(change: State, rest: State) -> State:
    flat = rest.flat
    return State.from_flat({key: x + _like(flat[key], x) if key in flat else x for key, x in change.flat.items()})


def _like(rest: AnyTensor, change: AnyTensor) -> AnyTensor:
    """The leading elements of a tensor along each axis; zeros where it has fewer."""
    if rest.ndim != change.ndim or any(have < need for have, need in zip(rest.shape, change.shape, strict=True)):
        return torch.zeros_like(change)
    return rest[tuple(map(slice, change.shape))]
