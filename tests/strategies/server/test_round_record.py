"""What a round's record makes of the clients' metrics."""

import pytest

from strategies.exchange.screening import Upload
from strategies.exchange.traffic import Traffic
from strategies.exchange.wire import EXAMPLES, OWN, PARTITION
from strategies.server.round_record import RoundRecord, mean_metrics, own_scores
from strategies.state import State

CLIENTS = [
    {"loss": 2.0, "steps": 3, "peak-memory-bytes": 50, f"{OWN}accuracy": 0.9, f"{OWN}examples": 10, "mine": 1.0},
    {"loss": 5.0, "steps": 7, "peak-memory-bytes": 90, f"{OWN}accuracy": 0.1, f"{OWN}examples": 30},
    {"loss": 1.0, "steps": 5, "peak-memory-bytes": 70, f"{OWN}accuracy": 0.5, f"{OWN}examples": 20},
]
ROWS = [1, 20, 4]


def uploads(clients=CLIENTS):
    return [
        Upload(p, 2, State(), rows, {PARTITION: p, EXAMPLES: rows, **metrics}, Traffic(1, 4, 2, 8, 20))
        for p, (rows, metrics) in enumerate(zip(ROWS, clients, strict=True))
    ]


def test_mean_metrics_are_those_of_all_rows_together():
    """So that a client of 20 rows counts as 20 clients of one row each."""
    assert mean_metrics(uploads()) == {
        EXAMPLES: 25,
        "loss": pytest.approx((1 * 2.0 + 20 * 5.0 + 4 * 1.0) / 25),
        "steps": pytest.approx((1 * 3 + 20 * 7 + 4 * 5) / 25),
        "peak-memory-bytes": 90,
    }


def test_there_is_no_mean_without_uploads():
    assert mean_metrics([]) == {}
    assert own_scores([]) == {}


def test_own_scores_count_clients_alike_and_once_more_by_the_rows_scored():
    assert own_scores(uploads()) == {
        "mean": {"accuracy": pytest.approx((0.9 + 0.1 + 0.5) / 3)},
        "weighted": {"accuracy": pytest.approx((10 * 0.9 + 30 * 0.1 + 20 * 0.5) / 60)},
    }


def test_own_scores_are_of_the_clients_that_scored():
    silent = [{"loss": 1.0}, *CLIENTS[1:]]
    found = own_scores(uploads(silent))
    assert found["mean"] == {"accuracy": pytest.approx(0.3)}
    assert found["weighted"] == {"accuracy": pytest.approx((30 * 0.1 + 20 * 0.5) / 50)}
    assert own_scores(uploads([{"loss": 1.0}] * 3)) == {}


def test_uploads_of_a_round_add_up_in_its_traffic():
    record = RoundRecord(4, [0, 1, 2], down=Traffic(1, 2, 3, 4, 5))
    for upload in uploads():
        record.accept(upload)
    found = record.as_dict()
    assert found["up"] == {
        "adapter-numbers": 3,
        "adapter-payload-bytes": 12,
        "head-numbers": 6,
        "head-payload-bytes": 24,
        "wire-bytes": 60,
    }
    assert found["down"]["wire-bytes"] == 5
    assert found["accepted"] == [0, 1, 2]
