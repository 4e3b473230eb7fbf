"""Which label is called the best, and when nothing is."""

import math

import numpy as np
import pytest
from scipy import stats

from florg_app.compare.report.significance import holm, rank, spread

BEST = {1: 0.80, 2: 0.82, 3: 0.85}
BEHIND = {1: 0.70, 2: 0.74, 3: 0.73}  # by 0.10, 0.08, 0.12: mean 0.1, deviation 0.02
P = 1 - math.sqrt(75 / 77)  # t^2 = 0.1^2 * 3 / 0.02^2 = 75, and of two degrees of freedom 1 - t / sqrt(t^2 + 2)


def test_a_spread_is_the_mean_and_the_sample_deviation():
    found = spread([0.70, 0.74, 0.78])
    assert (found.mean, found.sd, found.n) == (pytest.approx(0.74), pytest.approx(0.04), 3)


def test_one_value_has_no_deviation():
    assert spread([0.7]).sd is None


def test_the_test_is_the_paired_t_test():
    found = rank({"other": BEHIND, "best": BEST}, lower_is_better=False)
    difference = found.behind["other"]
    assert found.best == "best"
    assert difference.p == pytest.approx(P)
    assert difference.mean == pytest.approx(0.1)
    assert difference.interval == pytest.approx((0.1 - 4.302653 * 0.0115470, 0.1 + 4.302653 * 0.0115470), abs=1e-6)
    assert found.leads


def test_p_and_interval_are_those_of_the_t_distribution_on_random_scores():
    rng = np.random.default_rng(0)
    best, other = rng.normal(0.8, 0.02, 7), rng.normal(0.7, 0.05, 7)
    found = rank({"a": dict(enumerate(best)), "b": dict(enumerate(other))}, lower_is_better=False).behind["b"]
    differences = best - other
    error = differences.std(ddof=1) / math.sqrt(7)
    assert found.p == pytest.approx(2 * stats.t.sf(differences.mean() / error, 6))
    half = stats.t.ppf(0.975, 6) * error
    assert found.interval == pytest.approx((differences.mean() - half, differences.mean() + half))


def test_holm_multiplies_by_what_is_left_and_never_falls():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_with_a_third_label_every_p_is_adjusted():
    far = {1: 0.50, 2: 0.53, 3: 0.54}  # behind by 0.30, 0.29, 0.31
    found = rank({"best": BEST, "near": BEHIND, "far": far}, lower_is_better=False)
    assert found.behind["near"].p == pytest.approx(P)  # the larger of the two: times 1
    raw = 1 - math.sqrt(2700 / 2702)  # t^2 = 0.3^2 * 3 / 0.01^2
    assert found.behind["far"].p == pytest.approx(2 * raw)


def test_the_best_leads_only_where_it_beats_every_other_label():
    close = {1: 0.81, 2: 0.80, 3: 0.84}
    found = rank({"best": BEST, "close": close, "behind": BEHIND}, lower_is_better=False)
    assert not found.leads
    assert {label for label in ("best", "close", "behind") if found.among_best(label)} == {"best", "close"}


def test_of_a_loss_the_lowest_is_the_best():
    found = rank({"low": BEHIND, "high": BEST}, lower_is_better=True)
    assert found.best == "low"
    assert found.behind["high"].mean == pytest.approx(0.1)
    assert found.leads


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(BEST, id="a tie"),
        pytest.param({1: 0.70, 2: 0.72, 3: 0.75}, id="a constant difference, of which nothing is known to vary"),
        pytest.param({1: 0.70}, id="one seed"),
        pytest.param({4: 0.70, 5: 0.74}, id="no common seed"),
    ],
)
def test_without_a_test_no_label_leads(other):
    found = rank({"best": BEST, "other": other}, lower_is_better=False)
    assert found.behind["other"].p is None
    assert found.among_best("best")
    assert found.among_best("other")


def test_only_the_seeds_of_both_are_compared():
    found = rank({"best": {**BEST, 9: 0.1}, "other": {**BEHIND, 8: 0.1}}, lower_is_better=False)
    assert found.best == "best"
    assert (found.behind["other"].seeds, found.behind["other"].p) == (3, pytest.approx(P))


def test_a_better_mean_over_other_seeds_is_no_lead_over_a_label_that_wins_on_the_common_ones():
    found = rank({"a": {1: 0.70, 2: 0.74, 3: 0.73, 4: 0.99, 5: 0.99, 6: 0.99}, "b": BEST}, lower_is_better=False)
    assert found.best == "a"
    assert found.behind["b"].p < 0.05
    assert not found.leads


@pytest.mark.parametrize("scores", [{}, {"a": {}}, {"a": BEST}, {"a": BEST, "b": {}}, {"a": {1: 0.9}, "b": BEHIND}])
def test_nothing_is_ranked_without_two_labels_and_two_seeds_of_the_best(scores):
    assert rank(scores, lower_is_better=False) is None
