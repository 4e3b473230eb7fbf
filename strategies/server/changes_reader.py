"""Coded uploads as the server reads them: what both sides know, plus the decoded change."""

from collections.abc import Callable
from dataclasses import dataclass

from flwr.app import ArrayRecord

from strategies.exchange.array_reader import Malformed, unusable_numbers
from strategies.exchange.changes import known_start
from strategies.exchange.codecs.codec import Codec
from strategies.exchange.coding import decode_record
from strategies.exchange.screening import ArraysReader, read_plain
from strategies.manifest import Manifest
from strategies.protection.privacy import clipped
from strategies.state import Shapes, State


@dataclass(frozen=True)
class ChangesReader:
    """Reads the arrays of one round's uploads."""

    codec: Codec
    manifest: Manifest
    unchanged: Callable[[int], State]
    """By rank, the upload of a client that did no training, as the round began for it."""
    clip: float | None = None
    """The norm to which the change of an upload is clipped once it is decoded: the rounding, and what earlier uploads
    left over, may have made it longer than its client had clipped it. None: to none."""

    def __call__(self, record: ArrayRecord, shapes: Shapes, rank: int) -> State | Malformed:
        """Return an upload, float32, a clipped one float64; or, as `Malformed`, why there is none."""
        changes = decode_record(record, shapes, dict.fromkeys(shapes, self.codec))
        if isinstance(changes, Malformed):
            return changes
        reference = known_start(self.manifest, self.unchanged(rank), shapes)
        upload = changes.zip(reference.flat, lambda change, start: start.to("cpu", change.dtype) + change)
        for key, tensor in upload.flat.items():
            if bad := unusable_numbers(tensor.numpy(), key):
                return bad
        return upload if self.clip is None else clipped(upload, reference, self.clip)


def reader_of(
    codec: Codec, manifest: Manifest, unchanged: Callable[[int], State], clip: float | None = None
) -> ArraysReader:
    """Return what reads uploads of this codec; as they are where it is exact. Parameters as in `ChangesReader`."""
    return read_plain if codec.exact else ChangesReader(codec, manifest, unchanged, clip)
