"""Coded messages: the same numbers on both sides, streams of their own, and every way in which one is refused."""

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord
from hypothesis import given
from hypothesis import strategies as st

from strategies.exchange.array_reader import Malformed
from strategies.exchange.changes import encode_changes, known_start, rest_to_keep
from strategies.exchange.codecs.table import CODECS
from strategies.exchange.coding import RoundingStream, decode_record, encode_state
from strategies.exchange.traffic import measure_traffic, predict_coded, predict_traffic
from strategies.exchange.wire import pack
from strategies.methods.fedit import FedIT
from strategies.methods.fedsa_lora import FedSALoRA
from strategies.plan import Role
from strategies.state import State
from tests.support.fakes import assert_same_bits, initial_state, manifest_of, moved

MANIFEST = manifest_of(FedIT())
STREAM = RoundingStream(3, 1, 2)
NAME = pytest.mark.parametrize("name", CODECS)


def some_state(seed=1) -> State:
    return moved(MANIFEST, initial_state(FedIT(), MANIFEST), 1, seed)


def coded(name, state, stream=STREAM):
    return encode_state(state, state.sizes, CODECS[name](0.3), stream)


def read(name, record):
    return decode_record(record, MANIFEST.uplink, dict.fromkeys(MANIFEST.uplink, CODECS[name](0.3)))


@NAME
def test_what_the_receiver_decodes_is_what_the_sender_knows_that_it_does(name):
    record, decoded = coded(name, some_state())
    back = read(name, ArrayRecord.inflate(record.deflate(), dict(record.children)))
    assert isinstance(back, State)
    assert_same_bits(back, decoded)


@NAME
def test_predicted_bytes_are_the_measured_ones(name):
    state = some_state()
    record, _ = coded(name, state)
    predicted = predict_coded(state.sizes, CODECS[name](0.3))
    assert measure_traffic(record, state.sizes) == predicted
    assert predicted.wire_bytes == record.count_bytes()
    assert predicted.adapter_numbers == predict_traffic(state.sizes).adapter_numbers


def test_float32_is_what_is_sent_without_a_codec_to_the_byte():
    state = some_state()
    record, decoded = coded("float32", state)
    plain = pack(state, state.sizes)
    assert {key: array.data for key, array in record.items()} == {key: array.data for key, array in plain.items()}
    assert_same_bits(decoded, state)
    assert predict_coded(state.sizes, CODECS["float32"](1.0)) == predict_traffic(state.sizes)


def test_each_round_client_group_and_symbol_rounds_by_draws_of_its_own():
    x = State({"6x5": {"A": torch.full((3, 2, 5), 0.3), "B": torch.full((3, 2, 5), 0.3)}})
    x["6x5"]["A"][..., 0] = x["6x5"]["B"][..., 0] = 1.0
    streams = [RoundingStream(3, 1, 2), RoundingStream(4, 1, 2), RoundingStream(3, 2, 2), RoundingStream(3, 1, 1)]
    made = [coded("int4", x, stream)[0] for stream in streams]
    seen = {array.data for record in made for array in record.values()}
    assert len(seen) == 2 * len(streams)


def replaced(record, key, array) -> ArrayRecord:
    return ArrayRecord({**record, key: Array(array)})


def hostile():
    """name of the codec, what is changed of 6x5/A (3, 2, 5), what the reason says."""
    step = np.float32([np.nan, np.inf, -1.0]).view(np.uint8).reshape(3, 4)

    def with_bytes(first, values):
        def change(array):
            array[0, 0, first : first + len(values)] = values
            return array

        return change

    for name in ("int8", "int4"):
        for bad in step:
            yield name, with_bytes(0, bad), "a row's step is negative, NaN or infinite"
        yield name, with_bytes(4, [0]), "a code is beyond"
        yield name, lambda array: array[:, :, :-1].copy(), "expected (3, 2, "
        yield name, lambda array: array.astype("<f4"), "it is '<f4' in C order, expected '|u1'"
        yield name, with_bytes(0, np.float32([3e38]).view(np.uint8)), "infinite numbers|numbers beyond"
    yield "int4", with_bytes(6, [0x1F]), "a code is beyond"  # the half byte behind the fifth number
    yield "int8", with_bytes(8, [255]), None  # 127 steps
    yield "bfloat16", lambda array: np.full_like(array, 0x7FC0), "NaN or infinite"
    yield "bfloat16", lambda array: np.full_like(array, 0x7F00), "numbers beyond"
    yield "bfloat16", lambda array: array.astype("<f4"), "expected '<u2'"

    def places(*values):
        def change(array):
            array[4 * 9 :] = np.array([*values, *range(20, 29)][:9], "<u2").view(np.uint8)
            return array

        return change

    yield "top-k", places(5, 5), "do not ascend, or one is there twice"
    yield "top-k", places(6, 5), "do not ascend, or one is there twice"
    yield "top-k", lambda array: places(0)(array)[::-1].copy(), "is beyond its 30 numbers|do not ascend"
    yield "top-k", lambda array: np.full_like(array, 255), "is beyond its 30 numbers"
    yield "top-k", lambda array: array[:-6].copy(), "is (48,), expected (54,)"
    yield "top-k", lambda array: np.append(np.float32([np.nan] * 9).view(np.uint8), array[36:]), "NaN or infinite"


@pytest.mark.parametrize(("name", "change", "reason"), list(hostile()))
def test_an_array_that_is_no_code_is_refused_with_the_reason(name, change, reason):
    record, _ = coded(name, some_state())
    array = record["6x5/A"].numpy().copy()
    back = read(name, replaced(record, "6x5/A", change(array)))
    if reason is None:
        assert isinstance(back, State)
        return
    assert isinstance(back, Malformed)
    assert back.reason.startswith("'6x5/A' ")
    assert any(part in back.reason for part in reason.split("|")), back.reason


def test_the_half_byte_behind_an_odd_row_must_be_empty():
    record, _ = coded("int4", some_state())
    array = record["6x5/A"].numpy().copy()
    assert array.shape == (3, 2, 4 + 3)
    array[0, 0, 6] |= 0x10
    assert isinstance(read("int4", replaced(record, "6x5/A", array)), Malformed)


@NAME
def test_arrays_missing_or_too_many_are_refused(name):
    record, _ = coded(name, some_state())
    missing, extra = ArrayRecord(dict(record)), ArrayRecord({**record, "6x5/C": record["6x5/A"]})
    del missing["6x5/A"]
    for bad, said in ((missing, "arrays missing ['6x5/A']"), (extra, "not expected ['6x5/C']")):
        back = read(name, bad)
        assert isinstance(back, Malformed)
        assert said in back.reason


@given(st.sampled_from([name for name in CODECS if name != "float32"]), st.integers(0, 1000))
def test_what_was_sent_and_what_is_left_make_up_what_was_to_be_sent(name, seed):
    """With feedback the sum of what was decoded, and the rest, is the sum of all changes."""
    start = initial_state(FedIT(), MANIFEST)
    decoded, true, rest = start.map(torch.zeros_like), start.map(torch.zeros_like), None
    for t in range(1, 6):
        upload = moved(MANIFEST, start, t, seed)
        reference = known_start(MANIFEST, start, upload.sizes)
        record, left = encode_changes(upload, reference, rest, CODECS[name](0.3), RoundingStream(1, t, 0))
        back = read(name, record)
        assert isinstance(back, State)
        decoded = decoded.zip(back.flat, torch.add)
        true = true.zip(upload.zip(start.flat, torch.sub).flat, torch.add)
        rest = rest_to_keep(left, rest, MANIFEST.shapes(Role.SHARED))
    for key, tensor in true.flat.items():
        torch.testing.assert_close(decoded.flat[key] + rest.flat[key], tensor, rtol=1e-5, atol=1e-5)
        bound = tensor.abs().max() * {"bfloat16": 1 / 64, "int8": 1 / 32, "int4": 1, "top-k": 5}[name]
        assert rest.flat[key].abs().max() <= bound, "the rest does not grow"


def test_an_upload_that_changed_nothing_is_exact_in_every_codec():
    start = initial_state(FedIT(), MANIFEST)
    for make in CODECS.values():
        record, left = encode_changes(start, start, None, make(0.3), STREAM)
        assert not any(tensor.any() for tensor in left.flat.values())
        assert len(record) == len(MANIFEST.uplink)


def test_of_what_a_client_keeps_to_itself_the_value_is_sent():
    method = FedSALoRA(global_model=True)
    manifest = manifest_of(method)
    start = initial_state(method, manifest).map(torch.ones_like)
    reference = known_start(manifest, start, manifest.uplink)
    assert (reference["6x5"]["A"] == 1).all()
    assert (reference["6x5"]["B"] == 0).all()


def test_nothing_is_kept_of_a_training_that_diverged():
    left, shapes = some_state(), MANIFEST.shapes(Role.SHARED)
    earlier = some_state(2)
    left["6x5"]["A"][0, 0, 0] = torch.nan
    assert_same_bits(rest_to_keep(left, earlier, shapes), earlier)
    assert not any(tensor.any() for tensor in rest_to_keep(left, None, shapes).flat.values())


def test_of_a_tensor_that_was_not_sent_the_earlier_rest_stays():
    left, earlier, shapes = some_state(), some_state(2), MANIFEST.shapes(Role.SHARED)
    kept = rest_to_keep(left.select(["6x5/A", "head/values"]), earlier, shapes)
    assert torch.equal(kept["6x5"]["A"], left["6x5"]["A"])
    assert torch.equal(kept["6x5"]["B"], earlier["6x5"]["B"])
    begun = rest_to_keep(left.select(["6x5/A"]), None, shapes)
    assert begun.sizes == {key: tuple(shape) for key, shape in shapes.items()}
    assert not begun["4x7"]["B"].any()


def test_a_rest_of_another_size_belongs_to_tensors_that_are_gone():
    start = initial_state(FedIT(), MANIFEST)
    rest = start.map(lambda tensor: torch.ones(tuple(max(1, size - 1) for size in tensor.shape)))
    with_rest, _ = encode_changes(start, start, rest, CODECS["int8"](1.0), STREAM)
    without, _ = encode_changes(start, start, None, CODECS["int8"](1.0), STREAM)
    assert {k: a.data for k, a in with_rest.items()} == {k: a.data for k, a in without.items()}
