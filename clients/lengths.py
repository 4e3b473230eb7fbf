"""How many tokens examples and batches have; those of images have none."""

from collections.abc import Mapping, Sequence
from typing import Any


def lengths(features: Sequence[Mapping[str, Any]]) -> list[int]:
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
