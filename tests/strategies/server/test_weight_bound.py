"""No client has more than its share of a round's weight, whatever it claims; what it loses the others have."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from strategies import METHODS
from strategies.flower_internals import task_identity
from strategies.protection.robust import Robustness, bounded_weights, lowered_shares, most_lowered
from strategies.server.combination import Combination
from strategies.state import State
from tests.strategies.server.test_combination import METHOD_CASES, two_groups
from tests.strategies.server.test_faults import set_metric
from tests.support.fakes import Run, assert_same_bits

SHARES = st.floats(0.05, 1.0)
WEIGHTS = st.lists(st.floats(0, 1e9).map(lambda w: 0.0 if w < 1e-3 else w), min_size=1, max_size=12)


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


@given(WEIGHTS, SHARES)
def test_no_share_is_above_the_bound_or_where_that_cannot_be_all_are_equal(weights, share):
    bounded = bounded_weights(weights, share)
    present = sum(weight > 0 for weight in weights)
    if present:
        assert max(bounded) / sum(bounded) <= max(share, 1 / present) * (1 + 1e-9)


@given(WEIGHTS, SHARES)
def test_only_the_heaviest_are_lowered_no_more_than_may_be_and_none_is_raised(weights, share):
    bounded = bounded_weights(weights, share)
    lowered = [n for n, (now, raw) in enumerate(zip(bounded, weights, strict=True)) if now != raw]
    assert all(bounded[n] < weights[n] for n in lowered)
    assert len(lowered) <= most_lowered(share)
    heaviest = sorted(weights, reverse=True)[: len(lowered)]
    assert sorted((weights[n] for n in lowered), reverse=True) == heaviest


@given(WEIGHTS, SHARES)
def test_weights_within_the_bound_stay_to_the_bit(weights, share):
    present = sum(weight > 0 for weight in weights)
    if present and max(weights) <= max(share, 1 / present) * sum(weights):
        assert bounded_weights(weights, share) == weights


def test_the_others_keep_their_proportions():
    bounded = np.array(bounded_weights([1.0, 3.0, 96.0], 0.6))
    np.testing.assert_allclose(bounded / bounded.sum(), [0.1, 0.3, 0.6])
    bounded = np.array(bounded_weights([1.0, 1e9, 1e9, 1.0, 2.0], 0.3))
    np.testing.assert_allclose(bounded / bounded.sum(), [0.1, 0.3, 0.3, 0.1, 0.2])


@METHOD_CASES
@pytest.mark.parametrize("weights", [[1.0, 50.0, 2.0, 1.0], [1.0, 50.0, 2.0, 80.0], [90.0, 1.0, 0.0, 0.0]])
def test_a_round_with_a_bound_is_the_round_with_the_bounded_weights(method, weights):
    state, uploads = two_groups(method)
    bounded, plain = (Combination(method, 1, state, "cpu", max_share=share) for share in (0.4, 1.0))
    for combination, own in ((bounded, weights), (plain, bounded_weights(weights, 0.4))):
        for upload, weight in zip(uploads, own, strict=True):
            combination.add(upload, weight)
    one, other = bounded.finish().flat, plain.finish().flat
    for key in other:
        torch.testing.assert_close(one[key], other[key], rtol=1e-6, atol=1e-9)
    assert bounded.weights == bounded_weights(weights, 0.4)


@METHOD_CASES
def test_a_bound_that_nobody_meets_changes_no_bit(method):
    state, uploads = two_groups(method)
    bounded, plain = (Combination(method, 1, state, "cpu", max_share=share) for share in (0.6, 1.0))
    for combination in (bounded, plain):
        for upload, weight in zip(uploads, [3.0, 10.0, 5.0, 6.0], strict=True):
            combination.add(upload, weight)
    assert_same_bits(bounded.finish(), plain.finish())


def test_a_client_that_claims_all_rows_there_can_be_counts_for_its_share_and_is_named():
    liar = {(1, 2): set_metric("num-examples", 10**9)}
    options = {"weighting": "examples", "faults": liar}
    run = Run(METHODS["fedit"](), robust=Robustness(max_share=0.4), **options).go(1)
    record = run.records[0].as_dict()
    assert record["lowered-weights"] == {2: {"of": pytest.approx(1, abs=1e-6), "to": pytest.approx(0.4)}}
    assert record["weights"] == {0: 10, 1: 20, 2: 10**9, 3: 40}
    alone = Run(METHODS["fedit"](), **options).go(1)
    assert "lowered-weights" not in alone.records[0].as_dict()
    uploads = Run(METHODS["fedit"](), weighting="examples").go(1)
    assert (run.state["head"]["values"] - uploads.state["head"]["values"]).norm() < (
        alone.state["head"]["values"] - uploads.state["head"]["values"]
    ).norm()


def test_in_a_round_of_one_client_it_is_the_round():
    run = Run(METHODS["fedit"](), num_clients=1, weighting="examples", robust=Robustness(max_share=0.2)).go(1)
    assert "lowered-weights" not in run.records[0].as_dict()


def test_what_was_lowered_is_told_in_shares():
    assert lowered_shares({3: 1.0, 5: 9.0}, [1.0, 1.0]) == {5: {"of": 0.9, "to": 0.5}}
    assert lowered_shares({3: 1.0}, [1.0]) == {}


def test_the_state_of_an_empty_group_is_no_obstacle():
    combination = Combination(METHODS["local"](), 1, State(), "cpu", max_share=0.5)
    combination.add(State(), 3.0)
    assert len(combination.finish()) == 0


@given(WEIGHTS, SHARES)
def test_who_is_lowered_has_the_bound_exactly_and_the_others_keep_their_proportions(weights, share):
    bounded = bounded_weights(weights, share)
    present = sum(weight > 0 for weight in weights)
    for now, raw in zip(bounded, weights, strict=True):
        if now != raw:
            assert now / sum(bounded) == pytest.approx(max(share, 1 / present))
    others = [raw for now, raw in zip(bounded, weights, strict=True) if now == raw and raw > 0]
    kept = [now for now, raw in zip(bounded, weights, strict=True) if now == raw and raw > 0]
    assert kept == others
