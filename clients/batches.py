"""Batches of a client's rows: their order and their way to the device."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import torch
from torch import Tensor

from strategies.rng import generator

Batch = dict[str, Any]
Collate = Callable[[list[Mapping[str, Any]]], Batch]
"""Pads a list of examples to the longest of them and stacks them into tensors."""


WINDOW = 50
"""Batches among which rows of similar length are looked for."""


def batches(lengths: Sequence[int], batch_size: int, seed: int, group_by_length: bool = False) -> Iterator[list[int]]:
    """Row numbers of one batch after another, epoch after epoch without end; each epoch in an order of its own.

    `lengths` are those of all rows, in tokens. With `group_by_length` the shuffled rows are sorted by length within
    windows of 50 batches, whose batches are shuffled again: less padding, at the price of batches less mixed.
    """
    for epoch in count():
        random = generator(seed, "batches", epoch)
        order = random.permutation(len(lengths)).tolist()
        if group_by_length:
            window = WINDOW * batch_size
            for start in range(0, len(order), window):
                order[start : start + window] = sorted(order[start : start + window], key=lengths.__getitem__)
        found = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
        yield from (found[i] for i in random.permutation(len(found))) if group_by_length else found


def in_parts(rows: list[int], size: int) -> list[list[int]]:
    """A batch cut into parts of `size` rows, the last may have fewer; -1: in one."""
    size = size if size > 0 else len(rows)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with its tensors on the device."""
    return {
        key: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value for key, value in batch.items()
    }
