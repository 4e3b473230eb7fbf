"""Masks: a ChaCha20 key stream as words modulo 2^64, added to a vector or taken away from it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from strategies.protection.secure_sum.fixed_point import WORD_DTYPE, WordVector

Sign = Literal[1, -1]

_BLOCK = 1 << 17
"""Words at a time: a mask of a large vector need not be in memory at once."""
_LONGEST = 1 << 34
"""Words of one key: 128 GiB, half of what a block counter of 32 bits can number."""
_NONCE = bytes(16)
"""Zero, since every key makes one stream."""


@dataclass(frozen=True)
class SignedMask:
    """One mask of a client's upload."""

    key: bytes
    sign: Sign


def add_mask(vector: WordVector, key: bytes, sign: Sign) -> None:
    """Add sign times the key's stream to the vector, in place, modulo 2^64."""
    assert vector.dtype == WORD_DTYPE, f"words are {WORD_DTYPE}, not {vector.dtype}"
    assert vector.size <= _LONGEST, f"{vector.size} words are more than a key masks"
    stream = Cipher(algorithms.ChaCha20(key, _NONCE), mode=None).encryptor()
    for start in range(0, vector.size, _BLOCK):
        block = vector[start : start + _BLOCK]
        words = np.frombuffer(stream.update(bytes(block.nbytes)), WORD_DTYPE)
        (np.add if sign > 0 else np.subtract)(block, words, out=block)


def pair_sign(own: int, other: int) -> Sign:
    """Return the sign with which client `own` adds its mask with `other`, who adds it with the opposite one."""
    return 1 if own < other else -1
