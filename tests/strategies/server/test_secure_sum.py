"""Rounds whose uploads are summed securely: the model is that of the plain sum, whatever the masks and whoever left."""

import numpy as np
import pytest
import torch
from flwr.app import Array, ConfigRecord, Message
from flwr.serverapp.exception import AggregationError

from florg_app.engines.inline import task_identity
from strategies import METHODS
from strategies.exchange.ranks import padded
from strategies.exchange.traffic import SECURE_SUM, Traffic, predict_traffic
from strategies.exchange.uploads import encode_upload, zero_update
from strategies.exchange.wire import ARRAYS
from strategies.manifest import state_at_start
from strategies.method import Method
from strategies.methods.florg import FLoRG
from strategies.methods.hetlora import HetLoRA
from strategies.protection.privacy import Privacy, PrivacyLedger
from strategies.protection.secure_sum.rules import SecureSumRules, predict_messages
from strategies.protection.secure_sum.upload import predict_masked_upload
from strategies.server.combination import Combination
from strategies.server.polling import collect
from strategies.state import State
from tests.strategies.protection.test_privacy import Silence
from tests.support.fakes import Run, assert_same_bits, examples_of, expected_state, initial_state, manifest_of, served


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


RULES = {"uniform": SecureSumRules(1, 256.0), "examples": SecureSumRules(1, 256.0, 65536)}
SUMS: list[Method] = [cls() for cls in METHODS.values() if cls().traits.needs == "sum" and not cls().traits.pooled]
SUMS = [method for method in [*SUMS, FLoRG(solver="literal")] if method.name != "local"]
METHOD = pytest.mark.parametrize("method", SUMS, ids=lambda m: f"{m.name} {getattr(m, 'solver', '')}")


def weighting_of(method):
    return "uniform" if method.plan.weighting == "norm" else method.plan.weighting


def secure_run(method=None, **more) -> Run:
    method = method or FLoRG()
    given = {"upload": "summand", "weighting": weighting_of(method), "secure_sum": RULES[weighting_of(method)]}
    return Run(method, **{**given, **more})


def crash(reply):
    raise RuntimeError("the power failed")


def lose(step, *partitions, t=1):
    """Faults of a step: the client of each partition fails in it."""
    return {(t, p) if step == "upload" else (t, p, step): crash for p in partitions}


@METHOD
def test_the_state_is_that_of_plain_summands_up_to_rounding_and_has_the_same_bits_each_time(method):
    one, again = secure_run(method).go(3), secure_run(method).go(3)
    assert_same_bits(one.state, again.state)
    plain = Run(method, upload="summand", weighting=weighting_of(method)).go(3).state
    for key, tensor in plain.flat.items():
        torch.testing.assert_close(one.state.flat[key], tensor, rtol=1e-4, atol=1e-5)
    assert all(record.rejected == [] and record.skipped == "" for record in one.records)


@METHOD
def test_a_secure_sum_is_the_plain_fixed_point_sum_to_the_bit(method):
    """By whole numbers without end in Python, from what the clients would have sent."""
    manifest, rules = manifest_of(method).in_round(method, 1), RULES[weighting_of(method)]
    start = state_at_start(method, manifest, initial_state(method, manifest), 1)
    rank = method.active_rank(1, manifest.rank)
    sizes, factor = zero_update("summand", method, 1, start, manifest.at(rank)).sizes, 2 ** rules.point(4).fraction_bits
    weights = {p: examples_of(p) if rules.max_weight > 1 else 1 for p in range(4)}
    totals = dict.fromkeys(sizes, 0)
    for p, weight in weights.items():
        _, tensors = served(method, manifest, start, 1, p, rank)
        sent = padded(encode_upload("summand", method, 1, start, tensors), sizes)
        for key, tensor in sent.flat.items():
            words = [weight * round(float(x) * factor) for x in tensor.float().flatten()]
            totals[key] = totals[key] + np.array(words, object)
    means = {key: [int(x) / factor / sum(weights.values()) for x in totals[key]] for key in sizes}
    mean = State.from_flat({key: torch.tensor(means[key], dtype=torch.float64).reshape(sizes[key]) for key in sizes})
    combination = Combination(method, 1, start, "cpu", contributed=True)
    largest = zero_update("summand", method, 1, start, manifest).sizes
    combination.add(padded(mean, largest), sum(weights.values()))
    assert_same_bits(secure_run(method).go(1).state, combination.finish())


@METHOD
def test_the_bytes_are_those_predicted_keys_and_shares_among_them(method):
    record = secure_run(method).go(1).records[0].as_dict()
    manifest = manifest_of(method).in_round(method, 1)
    rank = method.active_rank(1, manifest.rank)
    start = state_at_start(method, manifest, initial_state(method, manifest), 1)
    sizes = zero_update("summand", method, 1, start, manifest.at(rank)).sizes
    up, down = predict_messages(4, 4, 4, 4)
    plain, masked = predict_traffic(sizes), predict_masked_upload(sizes)
    assert record["up"]["wire-bytes"] == (masked * 4 + up).wire_bytes
    assert record["up"]["adapter-payload-bytes"] == 2 * 4 * plain.adapter_payload_bytes
    assert record["up"]["head-payload-bytes"] == 2 * 4 * plain.head_payload_bytes
    assert record["up"]["adapter-numbers"] == 4 * plain.adapter_numbers
    without = Run(method, upload="summand", weighting=weighting_of(method)).go(1).records[0].as_dict()
    assert record["down"]["wire-bytes"] == without["down"]["wire-bytes"] + down.wire_bytes
    assert {**record["down"], "wire-bytes": 0} == {**without["down"], "wire-bytes": 0}


@pytest.mark.parametrize("step", ["keys", "shares", "upload"])
def test_a_client_that_leaves_before_its_upload_is_absent_from_the_sum_and_named(step):
    run = secure_run(faults=lose(step, 2)).go(2)
    (rejected,) = run.records[0].rejected
    assert rejected.partition == 2
    assert "the power failed" in rejected.reason
    assert run.records[0].as_dict()["accepted"] == [0, 1, 3]
    assert run.records[1].rejected == []
    assert_same_bits(run.state, secure_run(faults=lose("upload", 2)).go(2).state)
    expected = expected_state(FLoRG(), {1: [0, 1, 3], 2: [0, 1, 2, 3]}, 2)
    for key, tensor in expected.flat.items():
        torch.testing.assert_close(run.state.flat[key], tensor, rtol=1e-4, atol=1e-5)


def test_a_client_that_leaves_after_its_upload_is_in_the_sum():
    run = secure_run(faults=lose("reveal", 2)).go(2)
    assert [rejected.partition for rejected in run.records[0].rejected] == [2]
    assert_same_bits(run.state, secure_run().go(2).state)


@pytest.mark.parametrize(
    ("step", "did"),
    [("keys", "sent keys"), ("shares", "dealt shares"), ("upload", "uploaded"), ("reveal", "revealed shares")],
)
def test_more_dropouts_than_stated_skip_the_round_with_the_reason_and_keep_the_state(step, did):
    run = secure_run(faults=lose(step, 0, 3)).go(2)
    reason = f"2 clients {did}, and a secure sum needs 3; privacy.max-dropouts = 1"
    assert [record.skipped for record in run.records] == [reason, ""]
    assert len(run.records[0].rejected) == 2
    assert_same_bits(run.state, secure_run(faults=lose("keys", 0, 1)).go(2).state)


def test_rounds_that_are_skipped_for_want_of_shares_end_the_run_with_that_reason():
    run = secure_run(faults=lose("shares", 0, 1) | lose("shares", 0, 1, t=2), max_skipped=2)
    with pytest.raises(AggregationError, match="2 clients dealt shares, and a secure sum needs 3"):
        run.go(5)


def change_words(key, change):
    def apply(reply: Message) -> Message:
        record = reply.content.array_records[ARRAYS]
        record[key] = Array(change(record[key].numpy()))
        return reply

    return apply


def drop_words(reply: Message) -> Message:
    del reply.content.array_records[ARRAYS][f"{SECURE_SUM}/weight"]
    return reply


BAD_UPLOADS = {
    "float32": (
        change_words("6x5/Zt", lambda words: words.astype(np.float32)),
        "it is '<f4' in C order, expected '<u8'",
    ),
    "signed": (change_words("6x5/Zt", lambda words: words.view(np.int64)), "it is '<i8'"),
    "big-endian": (change_words("6x5/Zt", lambda words: words.astype(">u8")), "it is '>u8'"),
    "short": (change_words("6x5/Zt", lambda words: words[:1]), "is (1, 2, 5), expected (3, 2, 5)"),
    "no weight": (drop_words, "missing ['secure-sum/weight']"),
}


@pytest.mark.parametrize("fault", BAD_UPLOADS)
def test_an_upload_that_is_no_vector_of_words_is_rejected_and_counts_as_dropped_out(fault):
    change, reason = BAD_UPLOADS[fault]
    run = secure_run(faults={(1, 2): change}).go(1)
    (rejected,) = run.records[0].rejected
    assert reason in rejected.reason
    assert_same_bits(run.state, secure_run(faults=lose("upload", 2)).go(1).state)


@pytest.mark.parametrize(
    "change",
    [lambda answer: {**answer, "data": "text"}, lambda answer: {**answer, "round": 7}, lambda answer: {}],
    ids=["text", "other round", "empty"],
)
@pytest.mark.parametrize("step", ["keys", "shares", "reveal"])
def test_an_answer_that_has_no_bytes_for_the_step_is_rejected(step, change):
    def apply(reply: Message) -> Message:
        reply.content[SECURE_SUM] = ConfigRecord(change(dict(reply.content.config_records[SECURE_SUM])))
        return reply

    record = secure_run(faults={(1, 2, step): apply}).go(1).records[0]
    assert record.skipped == ""
    assert [(r.partition, f"secure sum, step {step}: no bytes" in r.reason) for r in record.rejected] == [(2, True)]


def test_one_wrong_share_among_those_revealed_skips_the_round():
    def spoil(reply: Message) -> Message:
        answer = reply.content.config_records[SECURE_SUM]
        data = bytearray(answer["data"])
        data[20] ^= 1
        answer["data"] = bytes(data)
        return reply

    run = secure_run(faults={(1, 0, "reveal"): spoil}).go(2)
    assert (
        "the secure sum cannot be unmasked: the shares of partition 0 rebuild another secret" in run.records[0].skipped
    )
    assert run.records[1].skipped == ""


def test_clients_of_several_ranks_send_vectors_of_one_length():
    lengths = []

    def look(reply: Message) -> Message:
        lengths.append({key: array.shape for key, array in reply.content.array_records[ARRAYS].items()})
        return reply

    method = HetLoRA()
    run = secure_run(method, client_ranks=(1, 2), faults={(1, p): look for p in range(4)}).go(1)
    assert run.records[0].rejected == []
    assert [upload.rank for upload in run.records[0].accepted] == [1, 2, 1, 2]
    assert len(lengths) == 4
    assert all(shapes == lengths[0] and shapes["6x5/A"] == (3, 2, 5) for shapes in lengths)
    plain = Run(method, client_ranks=(1, 2), weighting="uniform", upload="summand").go(1)
    for key, tensor in plain.state.flat.items():
        torch.testing.assert_close(run.state.flat[key], tensor, rtol=1e-4, atol=1e-5)


def test_the_record_says_how_many_did_each_step_and_nothing_of_one_clients_weight():
    method = METHODS["fedit"]()
    record = secure_run(method, faults=lose("upload", 1)).go(1).records[0].as_dict()
    counts = {"threshold": 3, "keys": 4, "shares": 4, "uploads": 3, "revealed": 3}
    assert record["secure-sum"] == {**counts, "weight": sum(map(examples_of, (0, 2, 3)))}
    assert record["weights"] == {}
    assert "secure-sum" not in Run(method).go(1).records[0].as_dict()


def test_diagnostics_that_need_uploads_are_left_out_and_the_others_stay():
    numbers = secure_run().go(1).records[0].diagnostics["6x5"]
    assert "drift" in numbers
    assert "aggregation-error" not in numbers


def test_the_servers_noise_is_that_of_the_mean_over_all_that_were_asked_of_as_many_as_are_in_the_sum():
    noise, method = Silence(), METHODS["fedit"]()
    private = PrivacyLedger(Privacy(3.0, 0.5, 1e-5, where="server"), rng=noise)
    given = {"weighting": "uniform", "secure_sum": RULES["uniform"], "faults": lose("upload", 1)}
    run = secure_run(method, private=private, **given).go(1)
    assert set(noise.deviations) == {3.0 * 0.5 / 4}
    plain = Run(
        method,
        upload="summand",
        weighting="uniform",
        faults=lose("upload", 1),
        private=PrivacyLedger(Privacy(3.0, 0.5, 1e-5, where="server"), rng=Silence()),
    ).go(1)
    for key, tensor in plain.state.flat.items():
        torch.testing.assert_close(run.state.flat[key], tensor, rtol=1e-5, atol=1e-6)


def test_flowers_own_start_sums_securely_too():
    run, other = secure_run(), secure_run()
    messages = list(run.federation.configure_train(1, run.federation.arrays, ConfigRecord(), run.grid))
    replies = [reply for _, reply in collect(run.grid, [(message, None) for message in messages], 10.0, 10**6)]
    arrays, _ = run.federation.aggregate_train(1, replies)
    assert arrays is not None
    assert_same_bits(run.state, other.go(1).state)


def test_without_a_secure_sum_no_message_is_added():
    record = Run(upload="summand").go(1).records[0]
    assert record.beside_uploads == Traffic()
    assert "secure-sum" not in record.seconds
