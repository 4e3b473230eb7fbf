"""Questions with contexts as windows of tokens that overlap, so that no answer is lost where a text is too long."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import BatchEncoding, PreTrainedTokenizerBase

from florg_app.tasks.base import ROW
from florg_app.tasks.encoding import Refuse, encode_rows
from florg_app.tasks.row_text import RowTokenizer, row_tokenizer
from florg_app.tasks.squad.spans import OUTSIDE, token_span

MAX_QUESTION = 64
"""Tokens of a question; what is longer is cut, as BERT's run_squad.py does."""

_CHUNK = 512
"""Rows tokenised at a time: offsets of all rows at once would take gigabytes."""


def windows(
    rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int, stride: int, refuse: Refuse
) -> Iterator[dict[str, Any]]:
    """The windows of each row in order: input, positions of the answer, and what scoring needs of the row.

    `start_positions` and `end_positions` are the first and last token of the first reference; both 0, the first token
    of all (BERT's [CLS]), in a window that does not hold it whole. `offsets` (tokens, 2) are characters of the context.
    Rows that the tokenizer fails for are refused.
    """
    texts = row_tokenizer(tokenizer)
    for begin in range(0, len(rows), _CHUNK):
        chunk = rows[begin : begin + _CHUNK]

        def encode(places: Sequence[int], chunk: dict[str, list[Any]] = chunk, begin: int = begin) -> BatchEncoding:
            questions, contexts = ([chunk[name][place - begin] for place in places] for name in ("question", "context"))
            return texts(
                _cut(questions, texts),
                contexts,
                truncation="only_second",
                max_length=max_length,
                stride=stride,
                return_overflowing_tokens=True,
                return_offsets_mapping=True,
            )

        chunk_places = range(begin, min(begin + _CHUNK, len(rows)))
        for places, encoded in encode_rows(encode, chunk_places, "question, context", refuse):
            yield from _windows_of(chunk, [place - begin for place in places], begin, encoded, tokenizer)


def _windows_of(
    chunk: dict[str, list[Any]],
    numbers: Sequence[int],
    begin: int,
    encoded: BatchEncoding,
    tokenizer: PreTrainedTokenizerBase,
) -> Iterator[dict[str, Any]]:
    """The windows of those rows of a chunk that were encoded; the chunk begins at place `begin` of the data set."""
    for window, sample in enumerate(encoded["overflow_to_sample_mapping"]):
        row = numbers[sample]
        answers = chunk["answers"][row]
        start = answers["answer_start"][0]
        offsets = _context_offsets(encoded, window)
        span = token_span(offsets.tolist(), start, start + len(answers["text"][0])) or (0, 0)
        yield {
            **{name: encoded[name][window] for name in tokenizer.model_input_names if name in encoded},
            "start_positions": span[0],
            "end_positions": span[1],
            ROW: begin + row,
            "offsets": offsets,
            "context": chunk["context"][row],
            "references": answers["text"],
        }


def _context_offsets(encoded: BatchEncoding, window: int) -> np.ndarray:
    """(tokens, 2) int32, OUTSIDE for the question and special tokens."""
    sides = encoded.sequence_ids(window)
    offsets = [
        pair if side == 1 else OUTSIDE for pair, side in zip(encoded["offset_mapping"][window], sides, strict=True)
    ]
    return np.array(offsets, dtype=np.int32)


def _cut(questions: list[str], tokenizer: RowTokenizer) -> list[str]:
    """The questions without leading white space, cut after MAX_QUESTION tokens."""
    bare = [question.strip() for question in questions]
    offsets = tokenizer(bare, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return [
        question[: places[MAX_QUESTION - 1][1]] if len(places) > MAX_QUESTION else question
        for question, places in zip(bare, offsets, strict=True)
    ]
