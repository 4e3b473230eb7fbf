"""Shares of a secret, any `threshold` of which rebuild it, and how one client seals them for another.

Shamir's scheme is that of PyCryptodome behind Flower's functions, sealing is ChaCha20-Poly1305: a share that was
changed on its way does not open.
"""

import secrets
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from strategies.flower_internals import combine_shares, create_shares
from strategies.protection.secure_sum.keys import KEY_BYTES, Entropy

SHARE_BYTES = 52
"""Of a secret of 32 bytes: its number, and the secret padded to three blocks of 16 bytes."""
_NONCE_BYTES, _TAG_BYTES = 12, 16
SEALED_BYTES = _NONCE_BYTES + 2 * SHARE_BYTES + _TAG_BYTES
"""Of the shares of both secrets of a client."""


def split_secret(secret: bytes, threshold: int, count: int) -> list[bytes]:
    """Split a secret of 32 bytes into `count` shares; fewer than `threshold` of them say nothing of it."""
    assert len(secret) == KEY_BYTES, f"a secret of {len(secret)} bytes"
    return create_shares(secret, threshold, count)


def rebuild_secret(shares: Iterable[bytes], threshold: int) -> bytes:
    """Rebuild the secret from at least `threshold` shares. Raises ValueError where they do not belong together."""
    needed = list(shares)[:threshold]
    assert len(needed) == threshold, f"{len(needed)} shares of {threshold}"
    secret = combine_shares(needed)
    if len(secret) != KEY_BYTES:
        raise ValueError(f"a secret of {len(secret)} bytes")
    return secret


def seal_shares(key: bytes, shares: bytes, context: bytes, entropy: Entropy = secrets.token_bytes) -> bytes:
    """Seal shares as nonce, ciphertext and tag, which open with the same key and context alone."""
    nonce = entropy(_NONCE_BYTES)
    return nonce + ChaCha20Poly1305(key).encrypt(nonce, shares, context)


def open_shares(key: bytes, sealed: bytes, context: bytes) -> bytes | None:
    """Open sealed shares; None where key, context or bytes are not those of the sealing."""
    try:
        return ChaCha20Poly1305(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
    except InvalidTag:
        return None
