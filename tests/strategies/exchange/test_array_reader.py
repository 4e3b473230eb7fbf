"""The one reader of foreign arrays: what is written here comes back, and nothing else is one, whatever it claims."""

import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.exchange.array_reader import Malformed, array_numbers, header_bytes, read_array
from tests.fuzz.arrays import CALLED, DTYPES, SHAPES, WHOLE_FILES, npy_with

SHAPE = (3, 2, 5)
RIGHT = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2, 5), }"
PAYLOAD = bytes(4 * 30)


def saved(array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@given(st.lists(st.integers(0, 6), max_size=4), st.integers(0, 2**32 - 1))
def test_what_numpy_writes_of_float32_comes_back_bit_for_bit(shape, seed):
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    read = read_array(saved(values), "key", tuple(shape))
    assert isinstance(read, np.ndarray)
    assert read.shape == values.shape
    assert read.tobytes() == values.tobytes()
    assert array_numbers(saved(values)) == values.size


def test_words_are_read_where_words_are_expected_and_nothing_else():
    words = np.arange(6, dtype=np.uint64).reshape(2, 3) + 2**63
    read = read_array(saved(words), "key", (2, 3), np.dtype("<u8"))
    assert isinstance(read, np.ndarray)
    assert (read == words).all()
    assert array_numbers(saved(words)) == 6
    assert isinstance(read_array(saved(words), "key", (2, 3)), Malformed)
    assert isinstance(read_array(saved(np.zeros((2, 3), np.float32)), "key", (2, 3), np.dtype("<u8")), Malformed)


def test_what_is_read_may_be_changed():
    read = read_array(saved(np.ones(SHAPE, np.float32)), "key", SHAPE)
    assert isinstance(read, np.ndarray)
    read += 1


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda tail: b"\x93NUMPY\x01\x00" + tail))
def test_any_bytes_are_an_array_of_the_shape_or_a_reason(data):
    verdict = read_array(data, "key", SHAPE)
    assert isinstance(verdict, Malformed) or verdict.shape == SHAPE
    assert 0 <= header_bytes(data) <= len(data)
    assert array_numbers(data) <= len(data)


@given(st.data())
def test_a_header_with_any_byte_changed_is_right_or_refused(data):
    place, value = data.draw(st.integers(0, 127)), data.draw(st.integers(0, 255))
    changed = bytearray(saved(np.zeros(SHAPE, np.float32)))
    changed[place] = value
    verdict = read_array(bytes(changed), "key", SHAPE)
    assert isinstance(verdict, Malformed) or bytes(changed).replace(b"\n", b" ").count(b" ") > 0


HEADERS = [
    *(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode() for shape in SHAPES),
    *(f"{{'descr': {dtype}, 'fortran_order': False, 'shape': (3, 2, 5), }}".encode() for dtype in DTYPES),
    b"",
    b"{",
    b"[" * 500,
    b"'" * 500,
    b"\\x00" * 100,
    RIGHT.replace(b"False", b"True"),
    RIGHT.replace(b", }", b"}"),
    RIGHT[:-1] + b", 'more': 1}",
    RIGHT + RIGHT,
    b" " + RIGHT,
]


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_that_is_not_the_one_expected_is_a_reason(header):
    verdict = read_array(npy_with(header + b"\n", PAYLOAD), "6x5/A", SHAPE)
    assert isinstance(verdict, Malformed)
    assert verdict.reason.startswith("'6x5/A' ")
    assert len(verdict.reason) < 300


@pytest.mark.parametrize("version", [b"\x02\x00", b"\x03\x00", b"\x00\x01", b"\x01\x01", b"\xff\xff"])
def test_another_version_of_the_format_is_not_read(version):
    assert isinstance(read_array(npy_with(RIGHT + b"\n", PAYLOAD, version), "key", SHAPE), Malformed)


@pytest.mark.parametrize("more", [-120, -1, 1, 4, 120])
def test_bytes_too_few_or_too_many_are_a_reason(more):
    payload = PAYLOAD + bytes(more) if more > 0 else PAYLOAD[:more]
    verdict = read_array(npy_with(RIGHT + b"\n", payload), "key", SHAPE)
    assert isinstance(verdict, Malformed)
    assert f"claims 30 numbers, but {len(payload)} bytes came with it" in verdict.reason


def test_no_zip_archive_is_opened_and_no_pickle_is_loaded():
    for data in WHOLE_FILES:
        assert isinstance(read_array(data, "key", SHAPE), Malformed)
    assert CALLED == []


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(1000000, 1000000)", "(500000000, 2)"])
def test_a_claimed_size_costs_no_memory(shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    data = npy_with(header, PAYLOAD)
    tracemalloc.start()
    try:
        assert isinstance(read_array(data, "key", (None,)), Malformed)
        assert isinstance(read_array(data, "key", (None, None)), Malformed)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_a_size_that_may_change_is_that_of_the_bytes():
    values = np.arange(12, dtype=np.float32).reshape(2, 6)
    read = read_array(saved(values), "key", (2, None))
    assert isinstance(read, np.ndarray)
    assert (read == values).all()
