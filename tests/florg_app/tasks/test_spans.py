"""Answers as spans of characters and of tokens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from florg_app.tasks.squad.spans import Span, answer_text, best_spans, token_span

CONTEXT = "In 2016 Denver won."
OFFSETS = [(0, 0), (0, 0), (0, 2), (3, 5), (5, 7), (8, 14), (15, 18), (18, 19), (0, 0)]
"""[CLS] question In 20 16 Denver won . [SEP]"""


@pytest.mark.parametrize(
    ("start", "end", "tokens"),
    [
        (8, 14, (5, 5)),
        (3, 7, (3, 4)),
        (3, 14, (3, 5)),
        (0, 19, (2, 7)),
        (6, 10, (4, 5)),  # within tokens: those that hold it
        (19, 21, None),
    ],
)
def test_the_tokens_of_an_answer_are_those_that_hold_its_characters(start, end, tokens):
    assert token_span(OFFSETS, start, end) == tokens


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), min_size=1, max_size=8), st.data())
def test_the_tokens_of_an_answer_are_those_that_share_a_character_with_it(pieces, data):
    """Tokens may touch or have white space between them; those beside the answer are none of it."""
    offsets, place = [(0, 0)], 0
    for gap, length in pieces:
        offsets.append((place + gap, place + gap + length))
        place += gap + length
    first, last = sorted(data.draw(st.lists(st.integers(1, len(pieces)), min_size=2, max_size=2)))
    start = data.draw(st.integers(offsets[first][0], offsets[first][1] - 1))
    end = data.draw(st.integers(max(start, offsets[last][0]) + 1, offsets[last][1]))
    assert token_span([*offsets, (0, 0)], start, end) == (first, last)


def test_a_window_that_holds_only_a_part_of_the_answer_has_none():
    right = [(0, 0), *OFFSETS[5:]]
    assert token_span(right, 3, 14) is None
    assert token_span(right, 8, 14) == (1, 1)
    assert token_span([(0, 0)], 0, 3) is None


def logits(**places: float) -> np.ndarray:
    values = np.full(len(OFFSETS), -5.0)
    for place, value in places.items():
        values[int(place[1:])] = value
    return values


def test_the_likeliest_start_and_end_make_the_answer():
    spans = best_spans(logits(t3=4), logits(t5=3), OFFSETS, 4, 10)
    assert max(spans) == Span(7.0, 3, 14)
    assert answer_text(CONTEXT, spans) == "2016 Denver"


def test_no_answer_begins_or_ends_outside_the_context_ends_before_it_begins_or_is_too_long():
    spans = best_spans(logits(t0=9, t6=5, t2=3), logits(t1=9, t3=5, t6=4), OFFSETS, 5, 3)
    assert answer_text(CONTEXT, spans) == "won"
    spans = best_spans(logits(t2=4), logits(t6=4), OFFSETS, 1, 4)
    assert spans == []
    assert answer_text(CONTEXT, spans) == ""


def test_the_best_of_all_windows_counts_and_the_earlier_of_equals():
    assert answer_text(CONTEXT, [Span(1.0, 0, 2), Span(3.0, 8, 14)]) == "Denver"
    assert answer_text(CONTEXT, [Span(1.0, 8, 14), Span(1.0, 0, 2)]) == "In"


def test_white_space_that_a_token_brings_along_is_left_out():
    assert answer_text(CONTEXT, [Span(0.0, 7, 14)]) == "Denver"
