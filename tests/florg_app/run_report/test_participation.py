"""Who took part when, and who did worst, is read off the round records alone."""

import pytest

from florg_app.run_report import participation
from florg_app.run_report.client_losses import client_losses, client_standings, round_means, worst_of_round
from florg_app.run_report.client_table import client_table, worst_words
from florg_app.run_report.participation import participation_grid, refusal_table
from florg_app.run_report.reported_run import read_reported_runs
from tests.support.recorded_runs import LATE_REASON, recorded_round, usual_rounds, write_recorded_run


def reported(folder, records, **changes):
    (run,) = read_reported_runs([write_recorded_run(folder / "run", records, **changes)])
    return run


def verdicts(table):
    """By partition, what its row says of each round."""
    return {row[0].values[0]: [cell.values[0] for cell in row[1:]] for row in table.rows}


def test_every_partition_has_a_verdict_in_every_round_that_asked_anybody(tmp_path):
    records = [
        recorded_round(0, {}, 0.4),
        recorded_round(1, {0: 0.5, 2: 0.7}, 0.5, rejected={1: LATE_REASON}),
        recorded_round(2, {0: 0.5}, 0.5, rejected={2: "its loss is NaN"}, skipped="1 upload, expected 2"),
        recorded_round(3, {1: 0.5}, 0.6, sampled=[1, 2]),
    ]
    grid = participation_grid(reported(tmp_path, records), "grid", "Grid")
    assert [column.title for column in grid.columns] == ["partition", "1", "2", "3"]
    assert verdicts(grid) == {
        0: ["accepted", "unused", "idle"],
        1: ["late", "idle", "accepted"],
        2: ["accepted", "rejected", "silent"],
    }
    signs = {cell.text for row in grid.rows for cell in row[1:]}
    assert signs == {cell.text for cell in grid.legend}, "every sign has its words, and no other has"
    assert len(signs) == len({cell.kind for row in grid.rows for cell in row[1:]}), "no two verdicts have one sign"
    assert grid.notes == ("Skipped, so that the model stayed as it was: round 2.",)
    hints = {cell.hint for row in grid.rows for cell in row[1:]}
    assert "partition 2, round 2: rejected: its loss is NaN" in hints


def test_a_grid_that_is_too_large_keeps_those_who_were_left_out_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(participation, "MOST_CELLS", 4)
    monkeypatch.setattr(participation, "MOST_ROUNDS", 2)
    records = [recorded_round(t, {0: 0.5, 1: 0.5}, 0.5, rejected={2: "no", 3: "no"}) for t in (1, 2, 3)]
    grid = participation_grid(reported(tmp_path, records), "grid", "Grid")
    assert list(verdicts(grid)) == [2, 3]
    assert [column.title for column in grid.columns] == ["partition", "2", "3"]
    assert grid.notes == (
        "2 partitions of which less was left unused are not shown.",
        "1 earlier rounds are not shown.",
    )


def test_the_same_reason_of_the_same_partition_is_one_row_with_its_rounds(tmp_path):
    stranger = {"partition": None, "reason": "nobody asked"}
    records = [
        recorded_round(t, {0: 0.5}, 0.5, rejected=[{"partition": 7, "reason": "bad"}, *([stranger] if t == 5 else [])])
        for t in (1, 2, 3, 5)
    ]
    table = refusal_table([reported(tmp_path, records)])
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["7", "4", "1–3, 5", "bad"],
        ["a reply from nobody asked", "1", "5", "nobody asked"],
    ]


def test_the_worst_client_is_the_one_above_the_mean_of_its_own_rounds(tmp_path):
    records = [  # all losses fall: 3 took part in round 1 alone, where it was better than the others
        recorded_round(1, {0: 2.0, 1: 2.4, 3: 1.9}, 0.5),
        recorded_round(2, {0: 0.5, 1: 0.6}, 0.5),
        recorded_round(3, {0: 0.3, 1: 0.2}, 0.5),
    ]
    run = reported(tmp_path, records)
    losses = client_losses(run.records)
    assert round_means(losses) == pytest.approx({1: 2.1, 2: 0.55, 3: 0.25})
    standings = {one.partition: one for one in client_standings(losses)}
    assert list(standings) == [1, 0, 3]
    assert standings[1].above == pytest.approx((0.3 + 0.05 - 0.05) / 3)
    assert (standings[3].first, standings[3].last, standings[3].above) == pytest.approx((1.9, 1.9, -0.2))
    assert [worst_of_round(losses, t) for t in (1, 2, 3, 4)] == [(1, 2.4), (1, 0.6), (0, 0.3), None]
    assert "partition 1." in worst_words(run)
    table = client_table(run, "clients", "Clients")
    assert [row[0].text for row in table.rows] == ["1", "0", "3"]
    assert [row[0].strong for row in table.rows] == [True, False, False]


def test_where_clients_say_nothing_of_their_losses_nobody_is_named(tmp_path):
    records = usual_rounds(clients={})
    run = reported(tmp_path, records)
    assert worst_words(run).startswith("No worst client can be named")
    table = client_table(run, "clients", "Clients")
    assert [row[0].text for row in table.rows] == ["0", "1", "2"]
    assert not any(row[0].strong for row in table.rows)
