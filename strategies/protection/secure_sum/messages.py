"""The bytes of each step's messages: how they are laid out, checked and counted. Partition ids are 4 bytes, ascending.

Every layout has one size for so many clients; what has another is refused before anything of it is read.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from strategies.protection.secure_sum.keys import KEY_BYTES
from strategies.protection.secure_sum.shares import SEALED_BYTES, SHARE_BYTES

PUBLIC_BYTES = 2 * KEY_BYTES
"""Of a client's two public keys."""
_ID = struct.Struct("<I")
_HEAD = struct.Struct("<II")


class LayoutError(ValueError):
    """Bytes that are no message of this step."""


@dataclass(frozen=True)
class Participants:
    """Who is in a round's sum: from the server to all, the same bytes for each."""

    threshold: int
    """The fewest clients whose summands are added up, and whose shares rebuild a secret."""
    public: Mapping[int, bytes]
    """By partition, ascending: both public keys."""

    def to_bytes(self) -> bytes:
        """Lay out the threshold, the number of clients, and each one's id and keys."""
        parts = [_ID.pack(partition) + keys for partition, keys in self.public.items()]
        return _HEAD.pack(self.threshold, len(parts)) + b"".join(parts)

    def encryption_key(self, partition: int) -> bytes:
        return self.public[partition][:KEY_BYTES]

    def masking_key(self, partition: int) -> bytes:
        return self.public[partition][KEY_BYTES:]

    def others(self, partition: int) -> list[int]:
        """All partitions but this one, ascending."""
        return [other for other in self.public if other != partition]


def parse_participants(data: bytes) -> Participants:
    """Read what `Participants.to_bytes` laid out. Raises LayoutError."""
    if len(data) < _HEAD.size:
        raise LayoutError(f"{len(data)} bytes are no list of keys")
    threshold, count = _HEAD.unpack_from(data)
    records = _records(data[_HEAD.size :], PUBLIC_BYTES)
    if len(records) != count:
        raise LayoutError(f"a list of {count} keys holds {len(records)}")
    return Participants(threshold, records)


def pack_dealt(check: bytes, sealed: Iterable[bytes]) -> bytes:
    """Lay out what a client deals: the check of its own mask, sealed shares for the others in order of partition."""
    return check + b"".join(sealed)


def parse_dealt(data: bytes, participants: Participants, partition: int) -> tuple[bytes, dict[int, bytes]]:
    """Return (check, sealed shares by the partition that they are for). Raises LayoutError."""
    others = participants.others(partition)
    if len(data) != dealt_bytes(len(participants.public)):
        raise LayoutError(f"{len(data)} bytes are no shares for {len(others)} other clients")
    return data[:KEY_BYTES], dict(zip(others, _cells(data[KEY_BYTES:], SEALED_BYTES), strict=True))


def pack_parcel(sealed: Mapping[int, bytes]) -> bytes:
    """Lay out the sealed shares that a client gets from others, by partition, ascending."""
    return b"".join(_ID.pack(partition) + shares for partition, shares in sealed.items())


def parse_parcel(data: bytes) -> dict[int, bytes]:
    """Read what `pack_parcel` laid out. Raises LayoutError."""
    return _records(data, SEALED_BYTES)


def pack_survivors(partitions: Iterable[int]) -> bytes:
    """Lay out the partitions whose summands are in the sum, ascending."""
    return b"".join(_ID.pack(partition) for partition in partitions)


def parse_survivors(data: bytes) -> list[int]:
    """Read what `pack_survivors` laid out. Raises LayoutError."""
    return list(_records(data, 0))


def pack_revealed(shares: Iterable[bytes]) -> bytes:
    """Lay out one share of each client that dealt, in order of partition."""
    return b"".join(shares)


def parse_revealed(data: bytes, dealers: Sequence[int]) -> dict[int, bytes]:
    """Return the revealed share of each dealer. Raises LayoutError."""
    if len(data) != revealed_bytes(len(dealers)):
        raise LayoutError(f"{len(data)} bytes are no shares of {len(dealers)} clients")
    return dict(zip(dealers, _cells(data, SHARE_BYTES), strict=True))


def participants_bytes(num_keys: int) -> int:
    """Count the bytes down to each client: the list of so many clients' keys."""
    return _HEAD.size + num_keys * (_ID.size + PUBLIC_BYTES)


def dealt_bytes(num_keys: int) -> int:
    """Count the bytes up from each of so many clients: check and shares for the others."""
    return KEY_BYTES + (num_keys - 1) * SEALED_BYTES


def parcel_bytes(num_dealers: int) -> int:
    """Count the bytes down to each of so many dealers: the shares of the others."""
    return (num_dealers - 1) * (_ID.size + SEALED_BYTES)


def survivors_bytes(num_survivors: int) -> int:
    """Count the bytes down to each of so many survivors: the list of them."""
    return num_survivors * _ID.size


def revealed_bytes(num_dealers: int) -> int:
    """Count the bytes up from each survivor: a share of each dealer."""
    return num_dealers * SHARE_BYTES


def _records(data: bytes, size: int) -> dict[int, bytes]:
    """Records of an id and `size` bytes."""
    if len(data) % (_ID.size + size):
        raise LayoutError(f"{len(data)} bytes are no records of {_ID.size + size}")
    cells = _cells(data, _ID.size + size)
    ids = [_ID.unpack_from(cell)[0] for cell in cells]
    if any(after <= before for before, after in pairwise(ids)):
        raise LayoutError(f"the partitions {ids[:20]} do not ascend")
    return {partition: cell[_ID.size :] for partition, cell in zip(ids, cells, strict=True)}


def _cells(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]
