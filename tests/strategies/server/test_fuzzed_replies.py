"""Replies changed at random: whatever comes is used, or is a rejected client; never anything else."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies import METHODS
from strategies.flower_internals import task_identity
from tests.fuzz.harness import BOUND, NAMES, Duel, Tally, fuzz
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


@pytest.mark.parametrize("secure", [False, True])
def test_no_answer_of_any_kind_ends_a_run_from_the_first_question_to_the_last_round(secure):
    tally = Tally()
    with task_identity():
        for number in range(40):
            play_session(Random(f"{secure} {number}"), secure, tally)
    assert tally.escapes == []
    assert tally.reasons.keys() == {"query", "train"} | ({"query.secure_sum"} if secure else set())
