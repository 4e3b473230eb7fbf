"""The arrays of a client's upload: its tensors as they are, or what they changed in the codec of the run."""

from math import isfinite

from flwr.app import ArrayRecord

from clients.memory import ClientStore
from strategies.exchange.changes import encode_changes, known_start, rest_to_keep
from strategies.exchange.codecs.table import Wire
from strategies.exchange.coding import RoundingStream
from strategies.exchange.metrics import REST_NORM, Metrics
from strategies.exchange.wire import pack
from strategies.manifest import Manifest
from strategies.state import State


def upload_arrays(
    sent: State, begins: State, manifest: Manifest, wire: Wire, stream: RoundingStream, rests: ClientStore | None
) -> tuple[ArrayRecord, Metrics]:
    """Encode an upload.

    Args:
        sent: what it is of, at the client's rank.
        begins: what the round begins with, as the client received it.
        manifest: of the round, at the largest rank.
        wire: how it travels.
        stream: of the draws.
        rests: remembers what an upload could not carry, for the next one; None: that is lost.

    Returns:
        The arrays; and, where they are coded, the norm of what they could not carry, under its name as a metric.

    Raises:
        RefusalError: where that memory is damaged.
        OSError: where it cannot be written.
    """
    if wire.upload.exact:
        return pack(sent, sent.sizes), {}
    earlier = rests.load() if rests else None
    reference = known_start(manifest, begins, sent.sizes)
    arrays, left = encode_changes(sent, reference, earlier, wire.upload, stream)
    if rests:
        rests.save(rest_to_keep(left, earlier, rests.shapes))
    norm = sum(float(tensor.double().square().sum()) for tensor in left.flat.values()) ** 0.5
    return arrays, {REST_NORM: norm} if isfinite(norm) else {}
