"""The order in which a client's rows come: every row once per epoch, the same from the same seed."""

from itertools import chain, islice

import pytest

from clients.batches import batches

LENGTHS = [3, 40, 5, 38, 4, 41, 6, 39, 7, 37, 2]


def epoch(seed: int, number: int = 0, **how) -> list[list[int]]:
    """The batches of one epoch of eleven rows, four to a batch."""
    return list(islice(batches(LENGTHS, 4, seed, **how), 3 * number, 3 * number + 3))


@pytest.mark.parametrize("group", [False, True])
def test_every_epoch_has_every_row_once_in_an_order_of_its_own(group: bool):
    first, second = epoch(1, group_by_length=group), epoch(1, 1, group_by_length=group)
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(11))
    assert first != second
    assert first == epoch(1, group_by_length=group) != epoch(2, group_by_length=group)


def test_grouped_batches_hold_similar_lengths_and_come_in_random_order():
    spreads = [max(LENGTHS[i] for i in rows) - min(LENGTHS[i] for i in rows) for rows in epoch(1, group_by_length=True)]
    assert sorted(spreads)[:2] == [2, 3]  # (2, 3, 4, 5), (6, 7, 37, 38), (39, 40, 41)
    orders = {tuple(min(LENGTHS[i] for i in rows) for rows in epoch(seed, group_by_length=True)) for seed in range(9)}
    assert len(orders) > 1


def test_rows_further_apart_than_a_window_are_not_brought_together(monkeypatch):
    monkeypatch.setattr("clients.batches.WINDOW", 1)
    assert sorted(map(sorted, epoch(1, group_by_length=True))) == sorted(map(sorted, epoch(1)))
