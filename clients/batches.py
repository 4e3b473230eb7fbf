"""Batches of a client's rows: their order, their lengths and their way to the device."""

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


def token_lengths(features: Sequence[Mapping[str, Any]]) -> list[int]:
    """Tokens of each example; 0 for all where the first has none, so that no other image need be decoded for it."""
    if not features or "input_ids" not in features[0]:
        return [0] * len(features)
    return [len(example["input_ids"]) for example in features]


IGNORED = -100
"""The label that no loss counts, as in torch."""


def num_terms(batch: Mapping[str, Any]) -> int:
    """Over how many terms the mean loss of a batch is: its labels, of classes or of tokens, or else its examples."""
    if "labels" in batch:
        return int((batch["labels"] != IGNORED).sum())
    return len(next(iter(batch.values())))


def num_tokens(batch: Mapping[str, Any]) -> int:
    """Tokens of a batch that are not padding."""
    if "attention_mask" in batch:
        return int(batch["attention_mask"].sum())
    return batch["input_ids"].numel() if "input_ids" in batch else 0
