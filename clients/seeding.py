"""torch's global generators, seeded for the length of a block and then put back."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def scoped_seed(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Within the block torch draws from `seed`, on the CPU and on `device`; the callers' streams go on unchanged."""
    cuda = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(seed)
        for one in cuda:
            with torch.cuda.device(one):
                torch.cuda.manual_seed(seed)
        yield
