"""Which clients a round asks: the nearest number to the share, drawn from the seed and the round alone."""

import pytest

from strategies.server.roster import sample_clients

CLIENTS = list(range(10))


@pytest.mark.parametrize(
    ("fraction", "count"),
    [(1.0, 10), (0.5, 5), (0.28, 3), (0.31, 3), (0.36, 4), (0.19, 2), (0.96, 10), (0.04, 1), (0.001, 1)],
)
def test_the_number_of_clients_is_the_one_nearest_to_the_share_and_at_least_one(fraction, count):
    assert all(len(sample_clients(CLIENTS, fraction, 1, t)) == count for t in range(1, 6))


def test_rounds_and_seeds_draw_independently():
    def draws(seed):
        return [tuple(sample_clients(CLIENTS, 0.5, seed, t)) for t in range(1, 41)]

    assert draws(1) == draws(1)
    assert len(set(draws(1))) > 20
    assert sum(one == other for one, other in zip(draws(1), draws(2), strict=True)) < 5


def test_every_client_is_drawn_as_often_as_any_other_and_never_twice_in_a_round():
    rounds = [sample_clients(CLIENTS, 0.3, 1, t) for t in range(1, 1001)]
    assert all(len(set(chosen)) == 3 and chosen == sorted(chosen) for chosen in rounds)
    times = [sum(client in chosen for chosen in rounds) for client in CLIENTS]
    assert sum(times) == 3000
    assert all(abs(count - 300) < 5 * (1000 * 0.3 * 0.7) ** 0.5 for count in times)


def test_the_order_in_which_clients_are_known_does_not_matter_and_none_are_drawn_from_none():
    assert sample_clients(CLIENTS[::-1], 0.3, 1, 1) == sample_clients(CLIENTS, 0.3, 1, 1)
    assert sample_clients([3, 17, 40], 1.0, 1, 1) == [3, 17, 40]
    assert sample_clients([], 0.5, 1, 1) == []
