"""Keys that two clients share without the server: X25519 and HKDF-SHA256, from the `cryptography` package."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32

Entropy = Callable[[int], bytes]
"""That many fresh random bytes; `secrets.token_bytes` outside tests."""

Purpose = Literal["pair mask", "self mask", "self mask check", "shares"]
"""What a key is for; keys for two purposes say nothing of each other."""


@dataclass(frozen=True)
class RoundKeys:
    """A client's private keys, made anew for every round."""

    encryption: bytes
    """Of the shares that it deals and gets; never revealed."""
    masking: bytes
    """Of the masks with the other clients; dealt in shares, and rebuilt by the server if the client drops out."""

    @property
    def public(self) -> bytes:
        """Both public keys, encryption first."""
        return public_key(self.encryption) + public_key(self.masking)


def make_round_keys(entropy: Entropy = secrets.token_bytes) -> RoundKeys:
    """Draw fresh keys for one round."""
    return RoundKeys(entropy(KEY_BYTES), entropy(KEY_BYTES))


def public_key(private: bytes) -> bytes:
    """Return the X25519 public key of a private one."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def is_sound(public: bytes) -> bool:
    """Tell whether both keys of a client are points with which different private keys agree on different secrets."""
    probe = bytes(range(KEY_BYTES))
    try:
        for start in (0, KEY_BYTES):
            pair_key(probe, public[start : start + KEY_BYTES], "shares", b"")
    except ValueError:
        return False
    return len(public) == 2 * KEY_BYTES


def pair_key(private: bytes, public: bytes, purpose: Purpose, transcript: bytes) -> bytes:
    """Derive the key that the owners of both key pairs get, and nobody else. Raises ValueError for a degenerate one."""
    shared = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    return derive_key(shared, purpose, transcript)


def derive_key(secret: bytes, purpose: Purpose, transcript: bytes) -> bytes:
    """Derive a key for one purpose in one round, bound to the transcript that all clients of it must agree on."""
    info = b"florg secure sum 1, " + purpose.encode() + b", " + transcript
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=info).derive(secret)


def transcript_of(session: str, participants: bytes) -> bytes:
    """Return a digest of which round of which run this is and of all public keys in it."""
    name = hashlib.sha256(session.encode()).digest()
    return hashlib.sha256(name + participants).digest()
