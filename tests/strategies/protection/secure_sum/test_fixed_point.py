"""Fixed-point words: exact where float32 is, a stated error elsewhere, and sums that never overflow."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.protection.secure_sum.fixed_point import FixedPoint, RangeError

POINT = FixedPoint(num_clients=11, max_number=256.0, max_weight=1000)


def floats(seed, size=500, largest=256.0):
    rng = np.random.default_rng(seed)
    return (rng.uniform(-1, 1, size) * largest * 2.0 ** rng.integers(-40, 1, size)).astype(np.float32)


def mean_of(point, uploads, weights):
    words = [point.encode(values, weight) for values, weight in zip(uploads, weights, strict=True)]
    return point.decode_mean(np.sum(words, axis=0, dtype=np.uint64), sum(weights))


def exact_mean(uploads, weights):
    total = sum(weights)
    return [
        sum(w * Fraction(float(x)) for x, w in zip(column, weights, strict=True)) / total
        for column in zip(*uploads, strict=True)
    ]


@given(st.integers(2, 5000), st.floats(1e-3, 1e6), st.integers(1, 10**7))
def test_no_sum_of_numbers_within_the_range_overflows(num_clients, max_number, max_weight):
    point = FixedPoint(num_clients, max_number, max_weight)
    largest = np.float32(max_number)
    if float(largest) > max_number:
        largest = np.nextafter(largest, np.float32(0))
    one = int(point.encode(np.array([largest], np.float32), max_weight).view(np.int64)[0])
    assert 0 < num_clients * one < 2**63
    # Not a bit is wasted: with one more, some sum would be beyond 2^62.
    assert 2 * num_clients * max_weight * Fraction(max_number) * 2**point.fraction_bits > 2**62


def test_the_mean_is_within_half_a_step_of_the_exact_one():
    uploads, weights = [floats(seed) for seed in range(11)], [1, 1000, 3, 77, 500, 2, 2, 999, 41, 8, 640]
    bound = Fraction(2) ** -(POINT.fraction_bits + 1) + Fraction(2) ** -44  # of the words, and of float64 at 256
    found = mean_of(POINT, uploads, weights)
    assert all(abs(Fraction(float(a)) - b) <= bound for a, b in zip(found, exact_mean(uploads, weights), strict=True))


def test_a_float32_above_the_stated_size_is_represented_exactly():
    smallest = 2.0 ** (23 - POINT.fraction_bits)
    values = floats(0, 5000)
    values = values[np.abs(values) >= smallest]
    assert values.size > 1000
    assert np.array_equal(POINT.decode_mean(POINT.encode(values, 7), 7), values.astype(np.float64))
    below = np.nextafter(np.float32(smallest), np.float32(0))
    assert float(POINT.decode_mean(POINT.encode(np.array([below]), 1), 1)[0]) != float(below)


def test_the_default_range_keeps_float32_precision_for_uniform_weights():
    """Of 1000 clients and numbers up to 256: exact from 2^-21 on, which is below a float32's step at 8."""
    assert FixedPoint(1000, 256.0).fraction_bits == 44
    assert 2.0 ** (23 - 44) == 2.0**-21


@pytest.mark.parametrize("bad", [256.1, -300.0, np.nan, np.inf])
def test_a_number_beyond_the_range_is_refused_and_not_wrapped(bad):
    with pytest.raises(RangeError):
        POINT.encode(np.array([1.0, bad], np.float32), 1)


@pytest.mark.parametrize("weight", [0, -1, 1001, 10**18])
def test_a_weight_beyond_the_range_is_refused(weight):
    with pytest.raises(RangeError, match=r"1 \.\. 1000"):
        POINT.encode(np.ones(2, np.float32), weight)
