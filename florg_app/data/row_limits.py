"""Rows that the model cannot take: more tokens than it has positions, or tokens that it has no embedding of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from florg_app.tasks.files.wording import DataError


def _tokens_of(example: Mapping[str, Any]) -> int:
    return len(example["input_ids"])


@dataclass(frozen=True)
class RowLimits:
    """What a model takes; None = anything."""

    positions: int | None = None
    """Tokens of one example."""
    tokens: int | None = None
    """Tokens that it has embeddings of, numbered from 0."""
    reach: Callable[[Mapping[str, Any]], int] = _tokens_of
    """Positions that an example needs, with what is generated behind it."""

    def problem(self, example: Mapping[str, Any]) -> DataError | None:
        """What is wrong with a tokenised example."""
        ids = example.get("input_ids")
        if not ids:
            return None
        if self.positions is not None and len(ids) > self.positions:
            return DataError(
                f"becomes {len(ids)} tokens, and model.name has {self.positions} positions; lower task.max-length, or "
                f"shorten the row"
            )
        if self.positions is not None and (needed := self.reach(example)) > self.positions:
            return DataError(
                f"needs {needed} positions with its generated response, and model.name has {self.positions}; lower "
                f"task.max-new-tokens or task.max-length"
            )
        if self.tokens is not None and max(ids) >= self.tokens:
            return DataError(
                f"becomes token {max(ids)}, and model.name has embeddings of {self.tokens} tokens, numbered from "
                f"0; use the tokenizer that the model was trained with, or leave out what was added to it"
            )
        return None
