"""A client's four steps, as pure functions: what it knows before and after each, and what it sends.

Every step that asks for something no honest server asks raises RefusalError: the client then drops out of the round.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from strategies.exchange.wire import RefusalError
from strategies.protection.secure_sum.keys import (
    KEY_BYTES,
    Entropy,
    RoundKeys,
    derive_key,
    is_sound,
    pair_key,
    transcript_of,
)
from strategies.protection.secure_sum.masks import SignedMask, pair_sign
from strategies.protection.secure_sum.messages import (
    LayoutError,
    Participants,
    pack_dealt,
    pack_revealed,
    parse_parcel,
    parse_participants,
    parse_survivors,
)
from strategies.protection.secure_sum.shares import SHARE_BYTES, open_shares, seal_shares, split_secret

FEWEST = 2
"""Summands in a sum: one alone would be a client's own."""


@dataclass(frozen=True)
class DealtSecrets:
    """What a client knows once it has dealt its shares."""

    keys: RoundKeys
    participants: bytes
    """As the server sent them."""
    self_mask: bytes
    """The secret behind the mask that is its own, revealed through shares if its upload is in the sum."""
    own_share: bytes
    """Of that secret, which it deals to itself."""


@dataclass(frozen=True)
class HeldShares:
    """What a client knows after its upload, until it reveals one of each pair: shares by the partition that dealt them.

    Its own keys and mask are forgotten by then; of its masking key it holds no share.
    """

    threshold: int
    masking: Mapping[int, bytes]
    self_mask: Mapping[int, bytes]


def deal_shares(
    keys: RoundKeys,
    partition: int,
    participants: bytes,
    session: str,
    max_dropouts: int,
    entropy: Entropy = secrets.token_bytes,
) -> tuple[DealtSecrets, bytes]:
    """Split both secrets for all participants and seal each share; return what to remember, and what to send.

    Raises RefusalError where the list of participants is none that secrets may be split for.
    """
    listed = _checked_participants(participants, partition, keys, max_dropouts)
    transcript = transcript_of(session, participants)
    self_mask = entropy(KEY_BYTES)
    dealt = [split_secret(secret, listed.threshold, len(listed.public)) for secret in (keys.masking, self_mask)]
    shares = dict(zip(listed.public, zip(*dealt, strict=True), strict=True))
    sealed = [
        seal_shares(
            pair_key(keys.encryption, listed.encryption_key(other), "shares", transcript),
            b"".join(shares[other]),
            _context(partition, other),
            entropy,
        )
        for other in listed.others(partition)
    ]
    check = derive_key(self_mask, "self mask check", transcript)
    return DealtSecrets(keys, participants, self_mask, shares[partition][1]), pack_dealt(check, sealed)


def open_parcel(
    dealt: DealtSecrets, partition: int, session: str, parcel: bytes
) -> tuple[HeldShares, tuple[SignedMask, ...]]:
    """Open the shares that the others dealt, sealed in this very round, and derive the masks of the upload.

    The masks are the client's own and one with every client that dealt. Raises RefusalError.
    """
    listed, transcript = parse_participants(dealt.participants), transcript_of(session, dealt.participants)
    try:
        sealed = parse_parcel(parcel)
    except LayoutError as error:
        raise RefusalError(f"the shares of the other clients are unusable: {error}") from error
    if strangers := sealed.keys() - set(listed.others(partition)):
        raise RefusalError(f"shares of partitions {sorted(strangers)}, which are not in this secure sum")
    if len(sealed) + 1 < listed.threshold:
        raise RefusalError(f"shares of {len(sealed) + 1} clients, itself among them, below {listed.threshold}")
    masks = [SignedMask(derive_key(dealt.self_mask, "self mask", transcript), 1)]
    masking, self_mask = {}, {partition: dealt.own_share}
    for other, data in sealed.items():
        sealing = pair_key(dealt.keys.encryption, listed.encryption_key(other), "shares", transcript)
        shares = open_shares(sealing, data, _context(other, partition))
        if shares is None:
            raise RefusalError(
                f"the shares of partition {other} do not open: they were changed on their way, or that client was told "
                "of other keys, or of keys of an earlier round"
            )
        masking[other], self_mask[other] = shares[:SHARE_BYTES], shares[SHARE_BYTES:]
        key = pair_key(dealt.keys.masking, listed.masking_key(other), "pair mask", transcript)
        masks.append(SignedMask(key, pair_sign(partition, other)))
    return HeldShares(listed.threshold, masking, self_mask), tuple(masks)


def reveal_shares(held: HeldShares, partition: int, survivors: bytes) -> bytes:
    """Return one share of each client: of its own mask if its upload is in the sum, of its masking key if it is not.

    To be answered once: both shares of one client would let the server unmask it. Raises RefusalError.
    """
    try:
        listed = set(parse_survivors(survivors))
    except LayoutError as error:
        raise RefusalError(f"the list of survivors is unusable: {error}") from error
    dealers = sorted(held.self_mask)
    if strangers := listed - set(dealers):
        raise RefusalError(f"partitions {sorted(strangers)} survive that dealt no shares")
    if partition not in listed:
        raise RefusalError("asked to unmask a sum that lacks its own upload")
    if len(listed) < held.threshold:
        raise RefusalError(f"asked to unmask a sum of {len(listed)} clients, below {held.threshold}")
    return pack_revealed(held.self_mask[d] if d in listed else held.masking[d] for d in dealers)


def _checked_participants(data: bytes, partition: int, keys: RoundKeys, max_dropouts: int) -> Participants:
    """The list of keys, once it is one that this client may deal shares to."""
    try:
        listed = parse_participants(data)
    except LayoutError as error:
        raise RefusalError(f"the keys of the other clients are unusable: {error}") from error
    count, threshold = len(listed.public), listed.threshold
    if listed.public.get(partition) != keys.public:
        raise RefusalError("its own keys in the list are not those that it made for this round")
    if broken := [p for p, public in listed.public.items() if not is_sound(public)]:
        raise RefusalError(f"the keys of partitions {broken} are none that anything can be agreed with")
    different = {listed.encryption_key(p) for p in listed.public} | {listed.masking_key(p) for p in listed.public}
    if len(different) < 2 * count:
        raise RefusalError("one key is in the list twice")
    if not max(FEWEST, count - max_dropouts) <= threshold <= count or 2 * threshold <= count:
        raise RefusalError(
            f"a threshold of {threshold} among {count} clients; it must be at least {FEWEST}, "
            f"{count} - privacy.max-dropouts = {count - max_dropouts}, and more than half of them"
        )
    return listed


def _context(sender: int, receiver: int) -> bytes:
    return f"{sender} to {receiver}".encode()
