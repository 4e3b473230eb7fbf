"""Spans of characters as spans of tokens and back. Pure: offsets and logits in, numbers out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

Offset: TypeAlias = Sequence[int]
"""First character of a token in the context and the one after its last; (0, 0) for tokens outside the context."""

Offsets: TypeAlias = Sequence[Offset] | np.ndarray
"""Of every token of a window, (tokens, 2)."""

OUTSIDE = (0, 0)


@dataclass(frozen=True, order=True)
class Span:
    """A possible answer; the best is the largest."""

    score: float
    """Start logit plus end logit."""
    start: int
    """First character in the context."""
    end: int
    """The one after the last."""


def token_span(offsets: Offsets, start: int, end: int) -> tuple[int, int] | None:
    """First and last token that hold the characters start..end-1; None where this window does not hold them all.

    A token that begins with white space of the context, as those of byte-level tokenizers, holds the word behind it.
    """
    inside = [token for token, offset in enumerate(offsets) if tuple(offset) != OUTSIDE]
    if not inside or offsets[inside[0]][0] > start or offsets[inside[-1]][1] < end:
        return None
    holding = [token for token in inside if offsets[token][1] > start and offsets[token][0] < end]
    return (holding[0], holding[-1]) if holding else None


def best_spans(
    start_logits: np.ndarray, end_logits: np.ndarray, offsets: Offsets, num_best: int, max_tokens: int
) -> list[Span]:
    """The spans within one window made of its `num_best` likeliest starts and ends, at most `max_tokens` long.

    start_logits, end_logits: (tokens). Tokens outside the context neither begin nor end an answer.
    """
    inside = np.array([token for token, offset in enumerate(offsets) if tuple(offset) != OUTSIDE], dtype=int)
    starts, ends = (
        inside[np.argsort(-logits[inside], kind="stable")[:num_best]] for logits in (start_logits, end_logits)
    )
    return [
        Span(float(start_logits[first] + end_logits[last]), int(offsets[first][0]), int(offsets[last][1]))
        for first in starts
        for last in ends
        if first <= last < first + max_tokens
    ]


def answer_text(context: str, spans: Iterable[Span]) -> str:
    """The text of the best span, without white space around it; the earlier and shorter one of equal scores.

    "" where there is no span.
    """
    best = max(spans, key=lambda span: (span.score, -span.start, -span.end), default=None)
    return "" if best is None else context[best.start : best.end].strip()
