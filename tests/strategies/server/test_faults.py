"""A bad client, a lost reply, too few uploads: the round goes on, or is skipped, and the reason is on record."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from flwr.app import Array, ConfigRecord, Message, RecordDict
from flwr.serverapp.exception import AggregationError

from florg_app.engines.inline import InProcessGrid, task_identity
from strategies import METHODS
from strategies.exchange.wire import ARRAYS, CONFIG, EXAMPLES, METRICS, PARTITION, ROUND
from strategies.methods.florg import FLoRG
from strategies.server import polling
from tests.support.clock import clock_of
from tests.support.fakes import Run, assert_same_bits, expected_state, initial_state


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


def change_array(key: str, change: Callable[[np.ndarray], np.ndarray]):
    def fault(reply: Message) -> Message:
        record = reply.content.array_records[ARRAYS]
        record[key] = Array(change(record[key].numpy()))
        return reply

    return fault


def rename_array(reply: Message) -> Message:
    record = reply.content.array_records[ARRAYS]
    record["6x5/renamed"] = record.pop("6x5/A")
    return reply


def drop_array(reply: Message) -> Message:
    reply.content.array_records[ARRAYS].pop("4x7/A")
    return reply


def extra_array(reply: Message) -> Message:
    reply.content.array_records[ARRAYS]["extra"] = Array(np.zeros(1, np.float32))
    return reply


def undecodable(reply: Message) -> Message:
    record = reply.content.array_records[ARRAYS]
    old = record["6x5/A"]
    record["6x5/A"] = Array(dtype=old.dtype, shape=old.shape, stype=old.stype, data=b"not an array")
    return reply


def set_metric(name: str, value):
    def fault(reply: Message) -> Message:
        reply.content.metric_records[METRICS][name] = value
        return reply

    return fault


def without_metric(name: str):
    def fault(reply: Message) -> Message:
        reply.content.metric_records[METRICS].pop(name)
        return reply

    return fault


def old_round(reply: Message) -> Message:
    reply.content.config_records[CONFIG] = ConfigRecord({ROUND: 0})
    return reply


def no_records(reply: Message) -> Message:
    reply.content = RecordDict()
    return reply


def crash(reply: Message) -> Message:
    raise RuntimeError("the disk is on fire")


def out_of_memory(reply: Message) -> Message:
    raise torch.OutOfMemoryError("tried to allocate 2.00 GiB")


def one_element(value: float):
    def change(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array.flat[1] = value
        return array

    return change


FAULTS = {
    "error reply": (crash, "the disk is on fire"),
    "out of memory": (out_of_memory, "tried to allocate"),
    "NaN in one element": (change_array("6x5/A", one_element(float("nan"))), "'6x5/A' has 1 NaN or infinite"),
    "infinity in the head": (change_array("head/values", one_element(float("inf"))), "'head/values' has 1 NaN"),
    "a huge number": (change_array("6x5/A", one_element(-2e19)), "'6x5/A' has 1 numbers beyond 1.8e+19 of 30"),
    "shape that would broadcast": (change_array("6x5/A", lambda a: a[:1]), "is (1, 2, 5), expected (3, 2, 5)"),
    "transposed": (change_array("4x7/A", lambda a: a.transpose(0, 2, 1).copy()), "is (1, 4, 2), expected (1, 2, 4)"),
    "Fortran order": (change_array("4x7/A", lambda a: a.transpose(0, 2, 1)), "in Fortran order, expected '<f4' in C"),
    "other dtype": (
        change_array("6x5/A", lambda a: a.astype(np.float64)),
        "it is '<f8' in C order, expected '<f4' in C order",
    ),
    "missing key": (drop_array, "missing ['4x7/A']"),
    "extra key": (extra_array, "not expected ['extra']"),
    "renamed key": (rename_array, "missing ['6x5/A'], not expected ['6x5/renamed']"),
    "undecodable bytes": (undecodable, "cannot be decoded"),
    "zero examples": (set_metric(EXAMPLES, 0), "num-examples = 0"),
    "half an example": (set_metric(EXAMPLES, 1.5), "num-examples = 1.5, expected a whole number from 1 to 1000000000"),
    "examples without end": (set_metric(EXAMPLES, 10**18), "num-examples = 1000000000000000000, expected a whole"),
    "negative examples": (set_metric(EXAMPLES, -5), "num-examples = -5"),
    "NaN examples": (set_metric(EXAMPLES, float("nan")), "num-examples = nan"),
    "list of examples": (set_metric(EXAMPLES, [1, 2]), "num-examples = a list of 2"),
    "no examples": (without_metric(EXAMPLES), "metrics missing: 'num-examples'"),
    "other partition": (set_metric(PARTITION, 0), "calls itself partition 0, was asked as 2"),
    "earlier round": (old_round, "answers round 0, now is round 1"),
    "no records": (no_records, "records ['arrays', 'metrics', 'config'] are missing"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_client_is_named_and_the_others_make_the_round(fault):
    change, reason = FAULTS[fault]
    run = Run(faults={(1, 2): change}).go(2)
    (rejected,) = run.records[0].rejected
    assert rejected.partition == 2
    assert reason in rejected.reason
    assert run.records[1].rejected == []
    assert_same_bits(run.state, expected_state(FLoRG(), {1: [0, 1, 3], 2: [0, 1, 2, 3]}, 2))


class LosingGrid(InProcessGrid):
    """Never delivers the reply of the third message of the first training round."""

    def pull_messages(self, message_ids):
        return super().pull_messages([i for i in message_ids if int(i) != 4 + 3])


def test_a_client_that_does_not_answer_in_time_is_left_out(monkeypatch):
    clock = clock_of(monkeypatch, polling)
    run = Run(grid_type=LosingGrid, round_timeout=500.0).go(1)
    assert clock.now >= 500
    (rejected,) = run.records[0].rejected
    assert (rejected.partition, rejected.reason) == (2, "no reply before the time-out")
    assert_same_bits(run.state, expected_state(FLoRG(), {1: [0, 1, 3]}, 1))


class EchoingGrid(InProcessGrid):
    """Delivers every reply twice."""

    def pull_messages(self, message_ids):
        return [reply for reply in super().pull_messages(message_ids) for _ in range(2)]


def test_a_second_reply_of_a_client_is_rejected_and_the_first_counts():
    run = Run(grid_type=EchoingGrid, num_clients=2).go(1)
    assert {rejected.reason for rejected in run.records[0].rejected} == {"a second reply in one round"}
    assert_same_bits(run.state, Run(num_clients=2).go(1).state)


def test_too_few_uploads_skip_the_round_and_keep_the_state():
    faults = {(1, partition): crash for partition in (0, 1, 2)}
    run = Run(faults=faults, min_uploads=2).go(2)
    assert run.records[0].skipped == "1 of 4 uploads accepted, min-uploads = 2"
    assert run.records[1].skipped == ""
    assert_same_bits(run.state, expected_state(FLoRG(), {2: [0, 1, 2, 3]}, 2))


def test_max_skipped_rounds_in_a_row_end_the_run_after_their_records():
    faults = {(t, partition): crash for t in (2, 3) for partition in range(4)}
    run = Run(faults=faults, max_skipped=2)
    with pytest.raises(AggregationError, match="2 rounds in a row were skipped"):
        run.go(9)
    assert [record.t for record in run.records] == [1, 2, 3]
    assert_same_bits(run.state, expected_state(FLoRG(), {1: [0, 1, 2, 3]}, 1))


def test_a_decomposition_that_fails_skips_the_round(monkeypatch):
    def fail(*args, **kwargs):
        raise torch.linalg.LinAlgError("did not converge")

    run = Run(diagnostics=False)
    monkeypatch.setattr(torch.linalg, "eigh", fail)
    with pytest.raises(AggregationError):
        run.go(9)
    assert all(record.skipped == "the aggregation failed: did not converge" for record in run.records)
    assert_same_bits(run.state, initial_state(FLoRG(), run.manifest))


def test_numbers_whose_products_overflow_the_state_skip_the_round():
    def overflow(reply: Message) -> Message:
        record = reply.content.array_records[ARRAYS]
        for key in record:
            record[key] = Array(np.full_like(record[key].numpy(), 1.8e19))
        return reply

    run = Run(METHODS["flexlora"](), faults={(1, 2): overflow}).go(1)
    assert run.records[0].rejected == []
    assert run.records[0].skipped == "the combined state is not finite: an upload was huge"
    assert_same_bits(run.state, initial_state(METHODS["flexlora"](), run.manifest))
