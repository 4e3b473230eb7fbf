"""Batches of a client's rows: their order, their way to the device, their tokens."""

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

import torch
from torch import Tensor

from strategies.rng import generator

Batch = dict[str, Any]
Collate = Callable[[list[Mapping[str, Any]]], Batch]
"""Pads a list of examples to the longest of them and stacks them into tensors."""


def batches(num_examples: int, batch_size: int, seed: int) -> Iterator[list[int]]:
    """Row numbers of one batch after another, epoch after epoch without end; each epoch in an order of its own."""
    for epoch in count():
        order = generator(seed, "batches", epoch).permutation(num_examples).tolist()
        for start in range(0, num_examples, batch_size):
            yield order[start : start + batch_size]


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with its tensors on the device."""
    return {
        key: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value for key, value in batch.items()
    }


def num_tokens(batch: Batch) -> int:
    """Tokens of a batch that are not padding; 0 where it holds none (images)."""
    if "attention_mask" in batch:
        return int(batch["attention_mask"].sum())
    return batch["input_ids"].numel() if "input_ids" in batch else 0
