"""The metrics of a reply: each of its type, within its range, and expected; anything else is a reason."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.trainer import TrainReport
from strategies.exchange.foreign_text import shown_value
from strategies.exchange.metrics import (
    METRIC_SPECS,
    MOST_METRICS,
    OWN_ROWS,
    MetricKind,
    MetricSpec,
    dashed,
    metric_kind,
    parse_metrics,
)
from strategies.exchange.screening import Upload
from strategies.exchange.traffic import Traffic
from strategies.server.round_record import mean_metrics, own_scores
from strategies.state import State

GOOD = {"partition-id": 2, "rank": 4, "num-examples": 30, "loss": 0.5}
WORDS = st.text(max_size=30)
VALUES = st.one_of(
    st.integers(), st.floats(), st.none(), st.booleans(), WORDS, st.lists(st.integers()), st.binary(), st.just(10**400)
)


@given(st.dictionaries(st.sampled_from([*METRIC_SPECS, "own-accuracy", "own-"]) | WORDS, VALUES), st.booleans())
def test_whatever_came_is_read_or_is_a_reason_of_a_few_words(metrics, scores):
    verdict = parse_metrics({**GOOD, **metrics}, scores)
    if isinstance(verdict, str):
        assert 0 < len(verdict) < 500
        assert len(verdict.splitlines()) == 1
    else:
        assert verdict == {**GOOD, **metrics}
        assert all(type(value) in (int, float) for value in verdict.values())


def test_what_the_trainer_reports_is_known():
    report = TrainReport(1.5, 1.0, 0.5, 30, 2, 400, 0.3, 1333.3, 10**9)
    assert parse_metrics({**GOOD, **dashed(report)}, scores=False) == {**GOOD, **dashed(report)}
    assert {field.name.replace("_", "-") for field in dataclasses.fields(TrainReport)} <= METRIC_SPECS.keys()


@pytest.mark.parametrize("name", METRIC_SPECS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e308, 1e308, 10**30 + 1, "1", None, [1], True])
def test_no_metric_may_be_what_is_no_number_or_beyond_its_range(name, value):
    reason = f"{name} = {shown_value(value)}, expected {METRIC_SPECS[name]}"
    assert parse_metrics({**GOOD, OWN_ROWS: 3, name: value}, scores=True) == reason


@pytest.mark.parametrize("name", [name for name, spec in METRIC_SPECS.items() if spec.whole])
def test_a_count_is_a_whole_number(name):
    verdict = parse_metrics({**GOOD, OWN_ROWS: 3, name: 1.0}, scores=True)
    assert isinstance(verdict, str)
    assert verdict.startswith(f"{name} = 1.0, expected a whole number from")


@pytest.mark.parametrize("name", ["partition-id", "rank", "num-examples"])
def test_what_every_reply_has_is_missed(name):
    rest = {key: value for key, value in GOOD.items() if key != name}
    assert parse_metrics(rest, scores=False) == f"metrics missing: '{name}'"


def test_scores_that_nobody_asked_for_names_that_nobody_knows_and_too_many_are_reasons():
    assert parse_metrics({**GOOD, "own-accuracy": 0.5}, scores=False) == "own-accuracy was not asked for"
    assert parse_metrics({**GOOD, "own-accuracy": 0.5}, scores=True) == {**GOOD, "own-accuracy": 0.5}
    assert parse_metrics({**GOOD, "own-[/red]": 1}, scores=True) == "metrics not expected: 'own-(/red)'"
    assert parse_metrics({**GOOD, "mine": 1}, scores=True) == "metrics not expected: 'mine'"
    many = {f"own-{number}": 0 for number in range(MOST_METRICS)}
    assert parse_metrics({**GOOD, **many}, scores=True) == f"it has {MOST_METRICS + 4} metrics, expected at most 64"


def test_a_policy_may_add_numbers_of_which_the_mean_is_taken():
    assert parse_metrics({**GOOD, "mine": 1}, False, ["mine"]) == {**GOOD, "mine": 1}
    assert parse_metrics({**GOOD, "mine": float("nan")}, False, ["mine"]) == (
        f"mine = nan, expected {MetricSpec(MetricKind.MEAN)}"
    )
    assert metric_kind("mine") is MetricKind.MEAN


def upload(partition: int, examples: int, **metrics) -> Upload:
    metrics = {
        "partition-id": partition,
        "num-examples": examples,
        **{k.replace("_", "-"): v for k, v in metrics.items()},
    }
    return Upload(partition, 2, State(), examples, metrics, Traffic())


def test_a_round_makes_of_each_metric_what_is_declared():
    uploads = [upload(0, 10, loss=1.0, peak_memory_bytes=5), upload(1, 30, loss=2.0, peak_memory_bytes=3, steps=4)]
    assert mean_metrics(uploads) == {"num-examples": 40, "loss": 1.75, "peak-memory-bytes": 5}
    assert mean_metrics([]) == {}


def test_own_scores_count_alike_and_by_their_rows_and_those_of_no_rows_by_nothing():
    uploads = [
        upload(0, 10, own_examples=1, own_accuracy=1.0),
        upload(1, 10, own_examples=3, own_accuracy=0.0),
        upload(2, 10, own_examples=0, own_accuracy=0.5),
    ]
    assert own_scores(uploads) == {"mean": {"accuracy": 0.5}, "weighted": {"accuracy": 0.25}}
    assert own_scores(uploads[2:]) == {}
    assert own_scores([upload(0, 10)]) == {}
