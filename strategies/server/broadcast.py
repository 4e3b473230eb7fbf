"""What a round's clients are sent of the server's state, and the state with which the round then begins."""

from dataclasses import dataclass

from flwr.app import ArrayRecord

from strategies.exchange.codecs.codec import Codec
from strategies.exchange.coding import RoundingStream, encode_state
from strategies.exchange.ranks import cut, laid_over, led_state
from strategies.exchange.traffic import Traffic, measure_traffic
from strategies.exchange.train_request import BroadcastKind
from strategies.exchange.wire import pack
from strategies.manifest import Manifest
from strategies.method import Method
from strategies.plan import Role
from strategies.state import HEAD, HEAD_SYMBOL, Shapes, State


@dataclass(frozen=True)
class Broadcast:
    """One round's."""

    method: Method
    manifest: Manifest
    full: ArrayRecord
    """To clients of the largest rank, without what travels once."""
    held: State
    """The server's state."""
    begun: State
    """The state with which the round begins: as clients decode it. The very state of the server where that is exact."""
    coded_rank: int | None = None
    """The one rank of a broadcast that is not exact; None: every rank is sent as it is."""

    def arrays(self, kind: BroadcastKind) -> ArrayRecord:
        """Return what clients of a kind are sent; what travels once is not coded, since each client keeps it."""
        rank, carries = kind
        manifest = self.manifest.at(rank)
        if self.coded_rank is None:
            if kind == (self.manifest.rank, False):
                return self.full
            shapes = self._shapes(kind)
            led = led_state(self.method, self.begun, rank, self.manifest.rank)
            return pack(cut(led.select(shapes), shapes), shapes)
        assert rank == self.coded_rank, f"rank {rank}, but the broadcast is coded at {self.coded_rank}"
        once = manifest.once if carries else {}
        return ArrayRecord({**self.full, **pack(cut(self.begun.select(once), once), once)})

    def traffic(self, kind: BroadcastKind, arrays: ArrayRecord) -> Traffic:
        """Return what the message of a kind, with the arrays of that kind, has of numbers and bytes."""
        shapes = self._shapes(kind)
        return measure_traffic(arrays, cut(self.begun.select(shapes), shapes).sizes)

    def _shapes(self, kind: BroadcastKind) -> Shapes:
        manifest = self.manifest.at(kind[0])
        return {**manifest.downlink, **manifest.once} if kind[1] else manifest.downlink


def begin_broadcast(
    codec: Codec, method: Method, manifest: Manifest, state: State, t: int, rank: int, exact: ArrayRecord | None = None
) -> Broadcast:
    """Encode the server's state for round t.

    The values are encoded, not their change since the last round: a client that was not asked then, is new, or has
    lost its memory does not have the last state, and with few clients of many asked hardly one has.

    Args:
        codec: of the broadcast.
        method: turns the state of which clients of a lower rank are sent the leading part.
        manifest: of the run.
        state: the server's.
        t: the round.
        rank: that all clients of the round have, where the codec is not exact.
        exact: the arrays of the state, where they have been packed already.
    """
    if codec.exact:
        shapes = manifest.downlink
        return Broadcast(method, manifest, pack(state.select(shapes), shapes) if exact is None else exact, state, state)
    own = manifest.at(rank).downlink
    sent = cut(state.select(own), own)
    arrays, decoded = encode_state(sent, own, codec, RoundingStream(manifest.seed, t, "server"))
    held = state.flat
    begun = State.from_flat({key: laid_over(part.to(held[key]), held[key]) for key, part in decoded.flat.items()})
    return Broadcast(method, manifest, arrays, state, state.join(begun), rank)


def adds_changes(method: Method) -> bool:
    """Tell whether the new state is the mean of the uploads, so that clients' changes can be added to any state."""
    rule = type(method)
    plain = all(getattr(rule, name) is getattr(Method, name) for name in ("contribute", "finish", "without_noise"))
    return method.traits.mean_of_uploads and plain


def carried_on(method: Method, held: State, begun: State, new: State) -> State:
    """Return the server's state after a round that clients began from another state than it holds.

    Where new tensors are the mean of the uploads, as the head's always are, they are `begun` and the mean change, and
    what the broadcast had to leave out of `held` is put back: held + (new - begun). Others go on from what was sent,
    since a method's new factors need not be near the old ones.
    """
    if begun is held:
        return new
    summed = {f"{name}/{symbol}" for name in new for symbol in new[name] if _is_mean(method, name, symbol)}
    old, sent = held.flat, begun.flat
    return State.from_flat({key: x + (old[key] - sent[key]) if key in summed else x for key, x in new.flat.items()})


def _is_mean(method: Method, name: str, symbol: str) -> bool:
    if name == HEAD:
        return symbol == HEAD_SYMBOL and method.plan.head is Role.SHARED
    return adds_changes(method) and method.plan.roles.get(symbol) is Role.SHARED
