"""The server's part of a secure sum, as pure functions: forward what is sealed, then take the masks off the sum."""

from collections.abc import Mapping

from strategies.protection.secure_sum.fixed_point import WordVector
from strategies.protection.secure_sum.keys import derive_key, pair_key, public_key
from strategies.protection.secure_sum.masks import add_mask, pair_sign
from strategies.protection.secure_sum.messages import Participants, pack_parcel
from strategies.protection.secure_sum.shares import rebuild_secret


class UnmaskError(ValueError):
    """Shares that do not rebuild the secrets that were dealt."""


def sort_parcels(sealed: Mapping[int, Mapping[int, bytes]]) -> dict[int, bytes]:
    """Return what each dealer gets from the others; `sealed` by the partition that dealt, then by that it is for."""
    return {
        receiver: pack_parcel({dealer: sealed[dealer][receiver] for dealer in sorted(sealed) if dealer != receiver})
        for receiver in sealed
    }


def remove_masks(
    total: WordVector,
    participants: Participants,
    transcript: bytes,
    checks: Mapping[int, bytes],
    survivors: frozenset[int],
    revealed: Mapping[int, Mapping[int, bytes]],
) -> None:
    """Turn the sum of the survivors' masked vectors into the sum of their summands, in place.

    checks: of each dealer's own mask, by partition, as dealt. revealed: by the partition that revealed them, one share
    of each dealer; those of `participants.threshold` clients are needed. Raises UnmaskError, with the total as it was,
    where a rebuilt secret is not the one that was dealt.
    """
    secrets = {dealer: _rebuilt(dealer, revealed, participants.threshold) for dealer in sorted(checks)}
    for partition, secret in secrets.items():
        if partition in survivors:
            right = derive_key(secret, "self mask check", transcript) == checks[partition]
        else:
            right = public_key(secret) == participants.masking_key(partition)
        if not right:
            raise UnmaskError(f"the shares of partition {partition} rebuild another secret than it dealt")
    for partition, secret in secrets.items():
        if partition in survivors:
            add_mask(total, derive_key(secret, "self mask", transcript), -1)
        else:
            for other in sorted(survivors):
                # The survivor's mask with a client whose own, opposite one never came.
                key = pair_key(secret, participants.masking_key(other), "pair mask", transcript)
                add_mask(total, key, pair_sign(partition, other))


def _rebuilt(dealer: int, revealed: Mapping[int, Mapping[int, bytes]], threshold: int) -> bytes:
    try:
        return rebuild_secret((shares[dealer] for shares in revealed.values()), threshold)
    except ValueError as error:
        raise UnmaskError(f"the shares of partition {dealer} rebuild no secret: {error}") from error
