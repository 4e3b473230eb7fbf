"""What is counted until a target is reached, and which model a score is of."""

import math

import pytest

from florg_app.compare.report import results
from florg_app.compare.report.communication import round_table
from florg_app.compare.report.curve import curve
from florg_app.compare.report.results import CellResult, scored_rounds
from florg_app.compare.report.targets import target_data, target_table
from florg_app.compare.report.traffic import cumulative, middle, per_round, to_target
from strategies.exchange.traffic import Traffic
from tests.support.comparisons import NOTHING, UP, history, times, write_comparison


def cell(records, metric="accuracy"):
    found, by_clients = scored_rounds(records, metric)
    return CellResult("v", "a", 1, "finished", "", {}, found, by_clients)


def column(table, field):
    """The values of this column of the table's CSV file."""
    names = [name for one in table.columns for name in one.fields]
    return [[value for c in row for value in c.values][names.index(field)] for row in table.rows]


def test_all_rounds_count_up_to_the_first_that_reaches_the_target():
    found = to_target(cell(history([0.5, 0.7, 0.8, 0.75, 0.9])), 0.8, lower_is_better=False)
    assert found.t == 2
    assert found.sent.up == Traffic(200, 800, 14, 56, 1000)
    assert found.sent.down == Traffic(400, 1600, 28, 112, 2000)
    assert found.sent.total.wire_bytes == 3000


def test_a_model_at_the_target_before_training_costs_nothing():
    assert to_target(cell(history([0.8, 0.9])), 0.8, lower_is_better=False).sent.total == Traffic()


def test_a_target_that_is_never_reached_is_not_extrapolated():
    assert to_target(cell(history([0.5, 0.79])), 0.8, lower_is_better=False) is None


def test_of_a_loss_the_target_is_reached_from_above():
    found = to_target(cell(history([2.0, 1.5, 1.0], metric="loss"), "loss"), 1.5, lower_is_better=True)
    assert found.t == 1


def test_a_round_that_nobody_scored_counts_but_reaches_nothing():
    found = to_target(cell(history([0.5, None, 0.9])), 0.8, lower_is_better=False)
    assert (found.t, found.sent.up.adapter_numbers) == (2, 200)


def test_scores_of_clients_are_of_the_model_before_the_round_in_which_they_were_given():
    found = cell(history([0.5, 0.7, 0.8], own=True))
    assert found.by_clients
    assert found.by_round == {0: 0.5, 1: 0.7, 2: 0.8}
    assert [one.t for one in found.rounds] == [0, 1, 2, 3]
    reached = to_target(found, 0.8, lower_is_better=False)
    assert (reached.t, reached.sent.up.adapter_numbers) == (2, 200)


def test_the_servers_scores_win_over_those_of_clients():
    records = [{**one, "own": {"mean": {"accuracy": 0.1}}} for one in history([0.5, 0.7])]
    assert cell(records).by_round == {0: 0.5, 1: 0.7}
    assert not cell(records).by_clients


def test_a_score_that_was_not_a_number_is_not_a_missing_one():
    records = history([0.5, 0.7])
    records[1]["evaluation"]["accuracy"] = None
    assert math.isnan(cell(records).by_round[1])


def test_a_mean_round_leaves_out_the_evaluation_before_training():
    records = history([0.5, 0.6, 0.7])
    records[2]["down"] = times(UP, 4)
    found = per_round(cell(records))
    assert (found.up.wire_bytes, found.down.wire_bytes) == (500, 1500)
    assert [sent.down.wire_bytes for sent in cumulative(cell(records).rounds)] == [0, 1000, 3000]


def test_a_seed_that_missed_the_target_counts_as_more_than_any_number():
    assert vars(middle([3, 1, 2])) == {"median": 2, "low": 1, "high": 3}
    assert vars(middle([3, None, 2])) == {"median": 3, "low": 2, "high": None}
    assert vars(middle([3, None])) == {"median": None, "low": 3, "high": None}
    assert vars(middle([None, None])) == {"median": None, "low": None, "high": None}


@pytest.fixture
def comparison(tmp_path):
    """a reaches 0.8 in rounds 2, 2, 3; b, which sends three times as much a round, in 1, never, 3; c never."""
    scores = {
        "a": [[0.5, 0.6, 0.8, 0.9], [0.5, 0.6, 0.8, 0.9], [0.5, 0.6, 0.7, 0.9]],
        "b": [[0.5, 0.8, 0.8, 0.9], [0.5, 0.6, 0.7, 0.7], [0.5, 0.6, 0.7, 0.8]],
        "c": [[0.5, 0.6, 0.6, 0.6]] * 3,
    }
    up = {"a": UP, "b": times(UP, 3), "c": NOTHING}
    runs = {("v", k, seed): history(s, up[k]) for k, found in scores.items() for seed, s in enumerate(found)}
    return results.read_comparison(write_comparison(tmp_path, runs))


def test_the_table_has_median_range_and_ratio_to_the_first_label(comparison):
    table = target_table(comparison)
    assert column(table, "seeds-reached") == [3, 2, 0]
    assert column(table, "round-median") == [2, 3, None]
    assert column(table, "total-adapter-numbers-median") == [600, 2700, None]
    assert column(table, "total-adapter-numbers-low") == [600, 900, None]
    assert column(table, "total-adapter-numbers-high") == [900, None, None]
    assert column(table, "total-head-numbers-median") == [42, 189, None]
    assert column(table, "ratio-total-adapter-numbers") == [1, 4.5, None]
    assert column(table, "ratio-total-wire-bytes") == [1, 4.5, None]


def test_the_table_says_how_many_seeds_missed_the_target(comparison):
    texts = [[cell.text for cell in row] for row in target_table(comparison).rows]
    assert [row[3] for row in texts] == ["3 of 3 seeds", "not reached (1 of 3 seeds)", "not reached (3 of 3 seeds)"]
    assert [row[4] for row in texts] == ["2 (2 to 3)", "3 (1 to not reached)", "–"]


def test_every_seed_is_in_the_data(comparison):
    table = target_data(comparison)
    assert column(table, "round") == [2, 2, 3, 1, None, 3, None, None, None]
    assert column(table, "up-adapter-numbers")[:4] == [200, 200, 300, 300]


def test_a_round_is_told_by_way_and_part(comparison):
    table = round_table(comparison)
    assert column(table, "up-adapter-numbers") == [100, 300, 0]
    assert column(table, "down-head-numbers") == [14, 42, 0]


def test_a_curve_has_the_rounds_that_all_seeds_scored():
    found = curve([cell(history([0.5, 0.6, 0.9])), cell(history([0.3, None, 0.7]))])
    assert found.rounds == [0, 2]
    assert found.mean == pytest.approx([0.4, 0.8])
    assert (found.low, found.high) == ([0.3, 0.7], [0.5, 0.9])
    assert found.sent == [0, 3000]
