"""What travels: round trips, the manifest's digest, identity checks, predicted and measured bytes."""

import dataclasses

import numpy as np
import pytest
import torch
from flwr.app import ArrayRecord, ConfigRecord
from hypothesis import given
from hypothesis import strategies as st

from strategies.exchange.traffic import Traffic, measure_traffic, predict_traffic
from strategies.exchange.wire import ADVICE, Malformed, RefusalError, check_identity, pack, unpack
from strategies.methods.fedit import FedIT
from strategies.methods.florg import FLoRG
from strategies.plan import Plan, Role
from strategies.state import State
from tests.support.fakes import initial_state, manifest_of


@pytest.mark.parametrize("method", [FLoRG(), FedIT()], ids=lambda m: m.name)
def test_a_state_survives_the_wire_bit_for_bit(method):
    manifest = manifest_of(method)
    state = initial_state(method, manifest)
    record = ArrayRecord.inflate(*_deflated(pack(state, manifest.downlink)))
    back = unpack(record, manifest.downlink)
    assert not isinstance(back, Malformed)
    assert back.flat.keys() == state.flat.keys()
    assert all(torch.equal(back.flat[key], tensor) for key, tensor in state.flat.items())


def _deflated(record: ArrayRecord):
    return record.deflate(), dict(record.children)


def test_a_whole_model_travels_in_one_array_per_group_and_symbol():
    manifest = manifest_of(FedIT())
    assert list(manifest.uplink) == ["6x5/A", "6x5/B", "4x7/A", "4x7/B", "head/values"]
    assert manifest.uplink["6x5/B"] == (3, 6, 2)
    assert manifest.uplink["head/values"] == (9,)


def test_only_shared_tensors_go_up_and_only_shared_and_pushed_ones_go_down():
    roles = {"A": Role.LOCAL, "B": Role.PUSHED}
    manifest = dataclasses.replace(manifest_of(FedIT()), plan=Plan("lora", roles, head=Role.LOCAL))
    assert list(manifest.uplink) == []
    assert list(manifest.downlink) == ["6x5/B", "4x7/B"]


def test_a_half_precision_tensor_is_sent_in_float32():
    manifest = manifest_of(FLoRG())
    state = initial_state(FLoRG(), manifest).map(torch.Tensor.bfloat16)
    assert {array.dtype for array in pack(state, manifest.uplink).values()} == {"float32"}


@pytest.mark.parametrize("change", [{"rank": 3}, {"scale": 2.0}, {"seed": 4}, {"method": "other"}, {"head": ()}])
def test_the_digest_changes_with_everything_that_must_agree(change):
    manifest = manifest_of(FLoRG())
    assert dataclasses.replace(manifest, **change).digest != manifest.digest


def test_the_digest_sees_which_layers_a_group_has_and_their_order():
    manifest = manifest_of(FLoRG())
    first, second = manifest.groups
    swapped = dataclasses.replace(first, layers=("b", "a", "c"))
    assert dataclasses.replace(manifest, groups=(swapped, second)).digest != manifest.digest


@pytest.mark.parametrize("part", ADVICE)
def test_a_differing_identity_is_refused_with_its_name_and_a_remedy(part):
    own = dict.fromkeys(ADVICE, "mine")
    with pytest.raises(RefusalError) as refusal:
        check_identity(ConfigRecord({**own, part: "theirs"}), own)
    assert str(refusal.value).startswith(f"{part} is mine here and theirs on the server; ")
    assert ADVICE[part] in str(refusal.value)


def test_a_missing_identity_is_refused():
    with pytest.raises(RefusalError, match="source is mine here and None on the server"):
        check_identity(ConfigRecord({}), {"source": "mine"})


@given(st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=4), min_size=1, max_size=4))
def test_predicted_bytes_are_the_measured_ones_for_any_shapes(sizes):
    shapes = {f"{number}x1/A": tuple(size) for number, size in enumerate(sizes)}
    shapes["head/values"] = (7,)
    record = pack(State.from_flat({key: torch.zeros(shape) for key, shape in shapes.items()}), shapes)
    assert measure_traffic(record) == predict_traffic(shapes)
    assert measure_traffic(record).wire_bytes == record.count_bytes()


def test_traffic_adds_and_multiplies_field_by_field():
    one = Traffic(1, 4, 2, 8, 20)
    assert one + one == one * 2 == Traffic(2, 8, 4, 16, 40)


def test_a_received_tensor_may_be_changed_in_place():
    manifest = manifest_of(FLoRG())
    state = unpack(pack(initial_state(FLoRG(), manifest), manifest.uplink), manifest.uplink)
    assert not isinstance(state, Malformed)
    state["head"]["values"].add_(1)
    assert np.isfinite(state["head"]["values"].numpy()).all()
