"""Rounds whose uploads or broadcasts are coded: bytes, what the server makes of them, and what protects it."""

import numpy as np
import pytest
import torch

from florg_app.config.wire_settings import no_coded_broadcast, no_coded_upload, no_feedback
from strategies import METHODS
from strategies.exchange.codecs.table import AS_IT_IS, CODECS, Wire
from strategies.exchange.traffic import predict_coded, predict_traffic
from strategies.flower_internals import task_identity
from strategies.manifest import state_at_start
from strategies.methods.fedit import FedIT
from strategies.methods.florg import FLoRG
from strategies.plan import Role
from strategies.protection.privacy import Privacy, PrivacyLedger
from strategies.protection.robust import Robustness, change_norm
from strategies.server.broadcast import adds_changes, begin_broadcast, carried_on
from strategies.server.combination import aggregate
from strategies.state import State
from tests.support.fakes import Run, asked, assert_same_bits, initial_state, known, manifest_of
from tests.support.rounds import TALL, T, W, cases, shared, start

LOSSY = [name for name in CODECS if name != "float32"]
UPLOADS = [
    pytest.param(name, cls(), id=f"{name}-{cls.name}")
    for name in LOSSY
    for cls in METHODS.values()
    if not no_coded_upload(cls(), name)
]
BROADCASTS = [
    pytest.param(name, cls(), id=f"{name}-{cls.name}")
    for name in LOSSY
    for cls in METHODS.values()
    if not no_coded_broadcast(cls(), name)
]


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


def up(name, share=0.3, feedback=False):
    return Wire(upload=CODECS[name](share), feedback=feedback)


def down(name, share=0.3):
    return Wire(broadcast=CODECS[name](share))


@pytest.mark.parametrize(("name", "method"), UPLOADS)
def test_every_method_takes_coded_uploads_of_predicted_bytes(name, method):
    run = Run(method, wire=up(name)).go(2)
    for record in run.records:
        assert record.rejected == []
        assert not record.skipped
        (rank,) = {upload.rank for upload in record.accepted}
        layout = run.manifest.in_round(method, record.t).at(rank)
        sizes = known(layout.uplink, state_at_start(method, run.manifest, run.state, record.t))
        predicted = predict_coded(sizes, CODECS[name](0.3))
        assert record.as_dict()["up"]["wire-bytes"] == len(asked(method)) * predicted.wire_bytes
        assert record.as_dict()["up"]["adapter-numbers"] == len(asked(method)) * predicted.adapter_numbers
        payload = predicted.adapter_payload_bytes
        assert record.as_dict()["up"]["adapter-payload-bytes"] == len(asked(method)) * payload


@pytest.mark.parametrize(("name", "method"), BROADCASTS)
def test_every_method_takes_coded_broadcasts_of_predicted_bytes(name, method):
    run = Run(method, wire=down(name))
    shapes = run.manifest.at(method.active_rank(1, run.manifest.rank)).downlink
    predicted = predict_coded(known(shapes, run.state), CODECS[name](0.3), shapes)
    once = predict_traffic(known(run.manifest.once, run.state))
    record = run.go(1).records[0]
    assert record.rejected == []
    assert record.as_dict()["down"]["wire-bytes"] == len(asked(method)) * (predicted.wire_bytes + once.wire_bytes)


@pytest.mark.parametrize("name", ["bfloat16", "int8"])
def test_fine_codecs_end_near_the_state_without_one(name):
    plain = Run(FLoRG()).go(3).state
    for wire in (up(name), up(name, feedback=True), down(name)):
        coded = Run(FLoRG(), wire=wire).go(3).state
        assert not torch.equal(coded["6x5"]["A"], plain["6x5"]["A"])
        for key, tensor in plain.flat.items():
            torch.testing.assert_close(coded.flat[key], tensor, rtol=0, atol=0.05)


def test_without_a_codec_nothing_changes():
    assert_same_bits(Run(FLoRG(), wire=AS_IT_IS).go(3).state, Run(FLoRG()).go(3).state)
    wire = Wire(CODECS["float32"](0.5), CODECS["float32"](0.5))
    assert_same_bits(Run(FLoRG(), wire=wire).go(3).state, Run(FLoRG()).go(3).state)


@pytest.mark.parametrize("name", LOSSY)
def test_the_same_run_has_the_same_bits(name):
    wire = Wire(CODECS[name](0.3), CODECS["int8"](1.0), True)
    assert_same_bits(Run(FLoRG(), wire=wire).go(3).state, Run(FLoRG(), wire=wire).go(3).state)


def test_the_round_begins_on_both_sides_with_what_was_decoded():
    method, state = FLoRG(), initial_state(FLoRG(), manifest_of(FLoRG()))
    manifest = manifest_of(method)
    sent = begin_broadcast(CODECS["int8"](1.0), method, manifest, state, 1, manifest.rank)
    again = begin_broadcast(CODECS["int8"](1.0), method, manifest, state, 1, manifest.rank)
    other = begin_broadcast(CODECS["int8"](1.0), method, manifest, state, 2, manifest.rank)
    assert_same_bits(sent.begun, again.begun)
    assert not torch.equal(sent.begun["6x5"]["A"], other.begun["6x5"]["A"])
    run = Run(method, wire=down("int8"))
    seen = []
    run.client.method = method
    original = run.client.coded

    def look(uploaded, begins, t, partition):
        seen.append(begins)
        return original(uploaded, begins, t, partition)

    run.client.coded = look
    run.go(1)
    for begins in seen:
        assert_same_bits(begins.select(manifest.downlink), sent.begun.select(manifest.downlink))


@pytest.mark.parametrize("name", LOSSY)
def test_what_a_broadcast_left_out_is_put_back_where_the_state_is_a_mean(name):
    """With clients that change nothing the state of FedIT stays as it is, whatever the broadcast."""
    method = FedIT()
    manifest = manifest_of(method)
    held = initial_state(method, manifest)
    begun = begin_broadcast(CODECS[name](0.3), method, manifest, held, 1, manifest.rank).begun
    back = carried_on(method, held, begun, begun)
    for key, tensor in held.flat.items():
        torch.testing.assert_close(back.flat[key], tensor, rtol=0, atol=1e-6)
    assert adds_changes(method)


def test_other_methods_go_on_from_what_was_sent_but_for_the_head():
    method, manifest = FLoRG(), manifest_of(FLoRG())
    held = initial_state(method, manifest)
    begun = begin_broadcast(CODECS["int4"](0.3), method, manifest, held, 1, manifest.rank).begun
    back = carried_on(method, held, begun, begun)
    assert torch.equal(back["6x5"]["A"], begun["6x5"]["A"])
    torch.testing.assert_close(back["head"]["values"], held["head"]["values"], rtol=0, atol=1e-6)
    assert not adds_changes(method)


@pytest.mark.parametrize("method", cases())
def test_a_steady_method_keeps_its_factors_where_no_upload_changed_them(method):
    if not method.traits.steady:
        return
    state = start(method, TALL)
    same = [{symbol: tensor.clone() for symbol, tensor in shared(method, state).items()} for _ in W]
    new = aggregate(method, T, state, same, W)
    for symbol in method.plan.named(Role.SHARED):
        torch.testing.assert_close(new[symbol], state[symbol], rtol=1e-6, atol=1e-6)


def test_methods_that_make_new_factors_take_no_feedback():
    assert no_feedback(METHODS["flexlora"]()) != ""
    assert no_feedback(FLoRG(solver="literal", align=False)) != ""
    assert no_feedback(FLoRG()) == no_feedback(FedIT()) == ""


def test_the_server_clips_what_a_codec_made_longer():
    privacy = Privacy(noise_multiplier=1e-9, clip=0.01, delta=1e-5, where="server")
    run = Run(FedIT(), wire=up("int4"), weighting="uniform", private=PrivacyLedger(privacy), diagnostics=False)
    before = run.state
    run.go(1)  # of clients that clip nothing
    assert change_norm(run.state, before) <= 0.01 * (1 + 1e-6)
    unclipped = Run(FedIT(), wire=up("int4"), weighting="uniform", diagnostics=False)
    assert change_norm(unclipped.go(1).state, before) > 0.1


@pytest.mark.parametrize("robust", [Robustness(norm_bound=3.0), Robustness(combine="median")])
def test_protections_see_decoded_uploads(robust):
    def huge(reply):
        array = reply.content.array_records["arrays"]["6x5/A"]
        data = bytearray(array.data)
        data[128:132] = np.float32(1e6).tobytes()
        array.data = bytes(data)
        return reply

    run = Run(FLoRG(), num_clients=5, faults={(1, 2): huge}, wire=up("int8"), robust=robust).go(1)
    record = run.records[0]
    if robust.norm_bound:
        (rejected,) = record.rejected
        assert rejected.partition == 2
        assert "above robust.norm-bound" in rejected.reason
    assert max(float(tensor.abs().max()) for tensor in run.state.flat.values()) < 100


def test_an_upload_without_a_codec_where_one_is_due_is_rejected():
    run = Run(FLoRG(), wire=up("int8"), min_uploads=1, max_skipped=1)
    run.client.wire = AS_IT_IS
    with pytest.raises(Exception, match="rounds in a row were skipped"):
        run.go(1)
    assert all("expected '|u1' in C order" in rejected.reason for rejected in run.records[0].rejected)


def test_a_client_that_was_absent_adds_what_is_left_when_it_is_back():
    """Partition 1 fails in round 2; its rest of round 1 goes with its upload of round 3."""

    def fail(reply):
        raise RuntimeError("away")

    with_rest = Run(FedIT(), faults={(2, 1): fail}, wire=up("top-k", feedback=True)).go(3)
    forgetful = Run(FedIT(), faults={(2, 1): fail}, wire=up("top-k")).go(3)
    assert with_rest.records[1].rejected
    assert not torch.equal(with_rest.state["6x5"]["A"], forgetful.state["6x5"]["A"])
    assert isinstance(with_rest.client.rests[1], State)
