"""The privacy account: published values, the Renyi bound from above, composition, monotony."""

from math import inf, log

import pytest

from strategies.protection.accountant import delta_of, epsilon


@pytest.mark.parametrize(
    ("std", "sensitivity", "eps", "published"),
    [(1, 1, 1, 0.12693674), (2, 2, 1, 0.12693674), (1, 3, 1, 0.78760074), (1, 1, 2, 0.02092364), (5, 5, 2, 0.02092364)],
)
def test_delta_is_what_googles_dp_library_publishes(std, sensitivity, eps, published):
    """google/differential-privacy, accounting, privacy_loss_mechanism_test.py, test_gaussian_get_delta_for_epsilon."""
    assert delta_of(eps, std / sensitivity, 1) == pytest.approx(published, abs=1e-8)


@pytest.mark.parametrize(
    ("std", "at", "published"), [(1.0, 0.12693674, 1.0), (1.0, 0.02092364, 2.0), (0.344, 1e-5, 16.0)]
)
def test_epsilon_is_what_googles_dp_library_publishes(std, at, published):
    """The same file, test_gaussian_from_privacy_parameters; its last standard deviation has three digits."""
    assert epsilon(std, 1, at) == pytest.approx(published, rel=3e-3)


@pytest.mark.parametrize("noise_multiplier", [0.5, 1.1, 4.0, 30.0])
@pytest.mark.parametrize("times", [1, 10, 1000])
def test_the_exact_epsilon_is_below_the_renyi_bound_and_not_far(noise_multiplier, times):
    """Mironov 2017, arXiv 1702.07476: T alpha / (2 z^2) at order alpha, converted by his proposition 3."""
    orders = [1 + 1.05**k / 100 for k in range(300)]
    at = 1e-5
    bound = min(times * a / (2 * noise_multiplier**2) + log(1 / at) / (a - 1) for a in orders)
    exact = epsilon(noise_multiplier, times, at)
    assert exact <= bound
    assert exact > 0.5 * bound or bound < 0.5


def test_the_accountant_of_flower_agrees_where_it_is_installed():
    pytest.importorskip("dp_accounting")
    from flwr import serverapp as flower

    relation, sampling = flower.NeighboringRelation.ADD_OR_REMOVE_ONE, flower.SamplingMethod.NO_AMPLIFICATION
    accountant = flower.RdpAccountant(flower.PrivacyConfig(1e-5, 10, relation, sampling))
    accountant.compose(flower.GaussianPrivacyEvent(2.0, 10, 10), 25)
    theirs = accountant.get_epsilon(1e-5)
    assert 0.85 * theirs < epsilon(2.0, 25, 1e-5) <= theirs


def test_four_rounds_cost_what_one_of_half_the_noise_costs():
    assert epsilon(2.0, 4, 1e-5) == pytest.approx(epsilon(1.0, 1, 1e-5))


def test_epsilon_grows_with_rounds_and_falls_with_noise_and_delta():
    by_rounds = [epsilon(1.3, times, 1e-5) for times in (1, 2, 5, 50)]
    by_noise = [epsilon(noise, 7, 1e-5) for noise in (4.0, 2.0, 1.0, 0.1)]
    by_delta = [epsilon(1.0, 7, at) for at in (1e-2, 1e-5, 1e-9)]
    for values in (by_rounds, by_noise, by_delta):
        assert values == sorted(values)
        assert len(set(values)) == len(values)


def test_nothing_done_costs_nothing_and_no_noise_everything():
    assert epsilon(1.0, 0, 1e-5) == 0
    assert epsilon(0.0, 1, 1e-5) == inf
    assert epsilon(1e4, 1, 1e-2) == 0
