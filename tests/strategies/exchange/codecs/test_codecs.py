"""Laws of the codecs: sizes, the literal reference, what is right on average, how far off a number can be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.exchange.codecs.rows import from_rows, rows_shape, to_rows
from strategies.exchange.codecs.table import CODECS
from strategies.rng import generator
from tests.reference import codecs as literal

SHAPES = [(3, 2, 5), (3, 6, 2), (2, 7, 4), (4, 3), (9,), (601,), (1, 1, 1), (2, 0, 5), (2, 6, 0), (2, 0), (2, 3, 4, 5)]
SHAPE = st.sampled_from(SHAPES)
SEED = st.integers(0, 2**32 - 1)
LOSSY = [name for name in CODECS if not CODECS[name](0.3).exact]
ROUNDED = [name for name in LOSSY if CODECS[name](0.3).unbiased]
LARGEST = {"int8": 127, "int4": 7}


def codec(name, share=0.3):
    return CODECS[name](share)


def drawn(shape, seed, spread=3.0):
    """Numbers of several orders of magnitude, some of them zero."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * 10 ** rng.uniform(-spread, spread, shape)
    return np.where(rng.random(shape) < 0.1, 0, x).astype(np.float32)


def sent(name, x, seed, share=0.3):
    """(array, decoded)"""
    made = codec(name, share)
    array = made.encode(x, x.shape, generator(seed, "test"))
    back = made.decode(array, x.shape)
    assert isinstance(back, np.ndarray), back
    return array, back


@given(st.sampled_from(list(CODECS)), SHAPE, SEED)
def test_the_array_has_the_dtype_shape_and_bytes_that_follow_from_the_tensors_shape(name, shape, seed):
    array, back = sent(name, drawn(shape, seed), seed)
    made = codec(name)
    assert array.dtype == made.dtype
    assert array.shape == made.wire_shape(shape)
    assert array.nbytes == made.payload_bytes(shape)
    assert (back.shape, back.dtype) == (shape, np.float32)


def test_bytes_of_a_layers_factors():
    A, B = (12, 4, 384), (12, 384, 4)
    numbers = 12 * 4 * 384
    for shape in (A, B):
        assert codec("float32").payload_bytes(shape) == 4 * numbers
        assert codec("bfloat16").payload_bytes(shape) == 2 * numbers
        assert codec("int8").payload_bytes(shape) == numbers + 12 * 4 * 4
        assert codec("int4").payload_bytes(shape) == numbers // 2 + 12 * 4 * 4
        assert codec("top-k", 0.1).payload_bytes(shape) == -(-numbers // 10) * 6
    assert codec("top-k", 0.1).payload_bytes((12, 100, 100)) == 12_000 * 8


@given(SHAPE, SEED)
def test_integers_are_those_of_the_literal_reference_to_the_bit(shape, seed):
    x = drawn(shape, seed)
    for name, largest in LARGEST.items():
        array, back = sent(name, x, seed)
        data, decoded = literal.integers(x, largest, generator(seed, "test"))
        assert array.tobytes() == data
        assert back.tobytes() == decoded.tobytes()


@given(SHAPE, SEED)
def test_bfloat16_is_that_of_the_literal_reference_to_the_bit(shape, seed):
    x = drawn(shape, seed)
    array, back = sent("bfloat16", x, seed)
    data, decoded = literal.bfloat16(x, generator(seed, "test"))
    assert array.tobytes() == data
    assert back.tobytes() == decoded.tobytes()


@given(SHAPE, SEED, st.sampled_from([0.01, 0.1, 0.3, 0.7, 1.0]))
def test_top_k_is_that_of_the_literal_reference_to_the_bit(shape, seed, share):
    x = np.round(drawn(shape, seed, 0.3), 1)  # with equal numbers
    array, back = sent("top-k", x, seed, share)
    data, decoded = literal.top_k(x, share)
    assert array.tobytes() == data
    assert back.tobytes() == decoded.tobytes()


@pytest.mark.parametrize("name", ROUNDED)
def test_the_mean_over_seeds_is_the_number_within_five_standard_errors(name):
    x, draws = drawn((3, 2, 5), 1, 0.5), 4000
    decoded = np.stack([sent(name, x, seed)[1].astype(np.float64) for seed in range(draws)])
    width = steps_of(name, x)
    # A number rounded between two neighbours of distance h has a variance of at most h^2 / 4.
    assert (np.abs(decoded.mean(0) - x) <= 5 * width / 2 / draws**0.5).all()
    assert (decoded.std(0) > 0).sum() > x.size / 2, "most numbers are rounded"


def steps_of(name, x):
    """How far apart the neighbours of each number are."""
    if name == "bfloat16":
        return 2.0 ** (np.floor(np.log2(np.maximum(np.abs(x), 1e-30))) - 7)
    return np.broadcast_to(np.abs(x).max(-1, keepdims=True) / LARGEST[name] * (1 + 1e-6), x.shape)


@given(SEED, st.sampled_from(ROUNDED))
def test_a_number_is_off_by_less_than_one_step(seed, name):
    x = drawn((3, 2, 5), seed)
    assert (np.abs(sent(name, x, seed)[1] - x) < steps_of(name, x) * (1 + 1e-6) + 1e-37).all()


@given(SHAPE, SEED, st.floats(0.01, 1.0))
def test_top_k_contracts_by_the_share_that_it_keeps(shape, seed, share):
    x = drawn(shape, seed).astype(np.float64)
    back = sent("top-k", x.astype(np.float32), seed, share)[1]
    kept = codec("top-k", share).kept(shape) / max(1, x.size)
    assert kept >= share or x.size == 0
    assert np.square(x - back).sum() <= (1 - kept) * np.square(x).sum() * (1 + 1e-6)


@given(st.sampled_from(LOSSY), SHAPE, SEED)
def test_zeros_and_what_was_decoded_before_come_back_as_they_are(name, shape, seed):
    assert not sent(name, np.zeros(shape, np.float32), seed)[1].any()
    if name in ("bfloat16", "top-k"):
        once = sent(name, drawn(shape, seed), seed)[1]
        assert sent(name, once, seed + 1)[1].tobytes() == once.tobytes()


@given(st.sampled_from(LOSSY), SHAPE, SEED)
def test_the_same_seed_gives_the_same_bytes(name, shape, seed):
    x = drawn(shape, seed)
    assert sent(name, x, seed)[0].tobytes() == sent(name, x.copy(), seed)[0].tobytes()


def test_another_seed_gives_others():
    x = drawn((3, 2, 5), 1)
    for name in ROUNDED:
        assert sent(name, x, 1)[0].tobytes() != sent(name, x, 2)[0].tobytes()


@pytest.mark.parametrize("name", ["int8", "int4"])
@pytest.mark.parametrize(("shape", "free"), [((3, 6, 4), (3, 6, None)), ((3, 5, 7), (3, None, 7)), ((2, 5), (2, None))])
def test_a_size_that_changes_with_the_round_is_told_by_the_array(name, shape, free):
    assert None in codec(name).wire_shape(free)
    for width in (0, 1, 4, 5, 9):
        size = tuple(width if free_size is None else s for s, free_size in zip(shape, free, strict=True))
        x, made = drawn(size, width), codec(name)
        array = made.encode(x, free, generator(1, "test"))
        back = made.decode(array, free)
        assert isinstance(back, np.ndarray)
        assert back.shape == size
        assert array.nbytes == made.payload_bytes(size, free)


@given(SHAPE)
def test_rows_come_back_as_the_tensor(shape):
    x = np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
    rows = to_rows(x, shape)
    assert rows.shape == rows_shape(shape)
    assert (from_rows(rows, shape) == x).all()


def test_a_column_of_b_and_a_row_of_a_have_one_step_each():
    x = np.ones((1, 6, 2), np.float32)
    x[0, :, 1] = 1000
    for name in LARGEST:
        np.testing.assert_allclose(sent(name, x, 1)[1], x, rtol=1e-6)
        turned = np.ascontiguousarray(x.swapaxes(-1, -2))
        np.testing.assert_allclose(sent(name, turned, 1)[1], turned, rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", LOSSY)
def test_a_number_that_is_not_finite_is_not_hidden(name, value):
    x = drawn((3, 2, 5), 1)
    x[1, 1, 3] = value
    back = codec(name).decode(codec(name).encode(x, x.shape, generator(1, "test")), x.shape)
    assert isinstance(back, str) or not np.isfinite(back).all()


@pytest.mark.parametrize("name", ["int8", "int4"])
def test_the_smallest_and_the_largest_numbers_have_steps(name):
    for size in (1e-45, 1e-38, 1e38, 3.4e38):
        x = np.full((1, 2, 5), size, np.float32)
        back = sent(name, x, 1)[1].astype(np.float64)
        assert (np.abs(back / x.astype(np.float64) - 1) < (1e-6 if size > 1e-38 else 130)).all()
