"""One stable stream of random numbers per purpose, the same on the server and on every client."""

import hashlib
import secrets

import numpy as np


def stream_seed(seed: int, purpose: str, *keys: int | str) -> int:
    """Return a 63-bit seed that depends on all arguments and on nothing else (not on process, platform or hash salt).

    >>> stream_seed(1, "sample", 3) == stream_seed(1, "sample", 3) != stream_seed(1, "sample", 4)
    True
    """
    text = "/".join([str(seed), purpose, *map(str, keys)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, purpose: str, *keys: int | str) -> np.random.Generator:
    """Make NumPy's Philox stream for one purpose.

    NumPy and not torch: torch draws differ between vector instruction sets, Philox integers and the ziggurat do not.

    Args:
        seed: that of the run.
        purpose: what is drawn, such as "initial-A"; purposes have independent streams.
        keys: what tells draws of one purpose from each other, such as round and partition.

    Returns:
        A generator at the beginning of that stream.
    """
    return np.random.Generator(np.random.Philox(stream_seed(seed, purpose, *keys)))


def private_generator() -> np.random.Generator:
    """Philox with a 128-bit key from the operating system: for noise that must not follow from the run's seed."""
    return np.random.Generator(np.random.Philox(key=secrets.randbits(128)))
