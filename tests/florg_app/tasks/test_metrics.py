"""The measures by their definitions, written out, on answers whose classes are of unequal sizes."""

import numpy as np
import pytest

from florg_app.tasks.metrics import METRICS_BY_NAME

RNG = np.random.default_rng(3)
TRUTH = np.repeat([0, 1, 2], [40, 9, 3])
CHOSEN = np.where(RNG.random(len(TRUTH)) < 0.7, TRUTH, RNG.integers(0, 3, len(TRUTH)))
TWO, ANSWERED = np.minimum(TRUTH, 1), np.minimum(CHOSEN, 1)
SCALE, SAID = RNG.normal(size=30), RNG.normal(size=30)


def f1_of(one, truth, chosen):
    """2 TP / (2 TP + FP + FN)"""
    hits = np.sum((truth == one) & (chosen == one))
    return 2 * hits / (np.sum(truth == one) + np.sum(chosen == one))


def pearson(x, y):
    x, y = x - x.mean(), y - y.mean()
    return x @ y / np.sqrt((x @ x) * (y @ y))


def ranks(values):
    return np.argsort(np.argsort(values)).astype(float)


def measured(name, truth, chosen):
    return METRICS_BY_NAME[name](truth, chosen)


def test_these_answers_tell_the_measures_apart():
    assert len({round(measured(name, TWO, ANSWERED), 6) for name in ("accuracy", "f1", "macro-f1", "matthews")}) == 4


def test_accuracy_is_the_share_of_right_answers():
    assert measured("accuracy", TRUTH, CHOSEN) == pytest.approx(np.mean(TRUTH == CHOSEN))


def test_f1_is_that_of_class_1():
    assert measured("f1", TWO, ANSWERED) == pytest.approx(f1_of(1, TWO, ANSWERED))
    assert measured("f1", TWO, np.zeros_like(TWO)) == 0


def test_macro_f1_counts_every_class_alike_however_many_rows_it_has():
    assert measured("macro-f1", TRUTH, CHOSEN) == pytest.approx(np.mean([f1_of(c, TRUTH, CHOSEN) for c in range(3)]))


def test_matthews_is_the_correlation_of_two_classes():
    assert measured("matthews", TWO, ANSWERED) == pytest.approx(pearson(TWO.astype(float), ANSWERED.astype(float)))


def test_pearson_and_spearman_correlate_values_and_ranks():
    assert measured("pearson", SCALE, SAID) == pytest.approx(pearson(SCALE, SAID))
    assert measured("spearman", SCALE, SAID) == pytest.approx(pearson(ranks(SCALE), ranks(SAID)))
    assert measured("spearman", SCALE, np.exp(3 * SCALE)) == pytest.approx(1)


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_a_correlation_that_is_not_defined_is_zero(name):
    constant = np.full(4, 2.5)
    assert measured(name, constant, SCALE[:4]) == measured(name, SCALE[:4], constant) == 0
    assert measured(name, SCALE[:1], SCALE[:1]) == 0
    assert measured(name, SCALE[:2], SCALE[:2]) == pytest.approx(1)
