"""Replies changed at random: whatever comes is used, or is a rejected client; never anything else."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies import METHODS
from strategies.flower_internals import task_identity
from tests.fuzz.harness import BOUND, CODED, NAMES, Duel, Tally, fuzz
from tests.fuzz.sessions import play_session


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(NAMES), st.sampled_from([0.0, BOUND]), st.lists(st.integers(0, 2**32), min_size=1, max_size=5))
def test_a_round_with_bad_replies_is_to_the_bit_the_round_without_those_clients(name, bound, seeds):
    tally = Tally()
    with task_identity():
        duel = Duel(METHODS[name](), bound)
        for seed in seeds:
            duel.round(Random(seed), tally)
        duel.end(tally)
    assert tally.escapes == []


@pytest.mark.parametrize("name", NAMES)
def test_the_changes_are_of_many_kinds_and_most_of_them_are_noticed(name):
    tally = Tally()
    with task_identity():
        fuzz(400, 7, name, 0.0, tally)
    assert tally.escapes == []
    assert len(tally.reasons) > 20
    assert sum(tally.reasons.values()) + tally.accepted == tally.replies
    assert tally.accepted < 0.2 * tally.replies


@pytest.mark.parametrize("codec", CODED)
def test_coded_uploads_of_any_bytes_are_used_or_rejected_with_a_reason_of_their_own(codec):
    tally = Tally()
    with task_identity():
        fuzz(300, 7, "florg", BOUND, tally, codec)
    assert tally.escapes == []
    assert sum(tally.reasons.values()) + tally.accepted == tally.replies
    codes = ("cannot be decoded as", "NaN or infinite numbers", "numbers beyond", "above robust.norm-bound")
    assert {"bfloat16": 2, "int8": 2, "int4": 2, "top-k": 3}[codec] <= sum(
        any(words in reason for reason in tally.reasons) for words in codes
    )


@pytest.mark.parametrize("secure", [False, True])
def test_no_answer_of_any_kind_ends_a_run_from_the_first_question_to_the_last_round(secure):
    tally = Tally()
    with task_identity():
        for number in range(40):
            play_session(Random(f"{secure} {number}"), secure, tally)
    assert tally.escapes == []
    assert tally.reasons.keys() == {"query", "train"} | ({"query.secure_sum"} if secure else set())
