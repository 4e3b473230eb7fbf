"""The strategy over an in-process grid: sampling, order, quorum and a table of faults."""

import random

import pytest

from florg_app.engines.inline import InProcessGrid, task_identity
from strategies import METHODS
from strategies.exchange.traffic import predict_traffic
from tests.support.fakes import Run, asked, assert_same_bits, expected_state, known


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


@pytest.mark.parametrize("name", METHODS)
def test_rounds_are_the_methods_rule_applied_to_every_upload(name):
    run = Run(METHODS[name]()).go(3)
    assert_same_bits(run.state, expected_state(METHODS[name](), {t: asked(METHODS[name]()) for t in (1, 2, 3)}, 3))


@pytest.mark.parametrize("name", METHODS)
def test_traffic_measured_equals_traffic_predicted_to_the_byte(name):
    run = Run(METHODS[name](), num_clients=3)
    begun = run.state
    run.go(1)
    record = run.records[0].as_dict()
    method = METHODS[name]()
    sent = run.manifest.in_round(method, 1).at(method.active_rank(1, run.manifest.rank))
    for direction, shapes in (("up", sent.uplink), ("down", sent.downlink)):
        predicted = predict_traffic(known(shapes, begun)) * len(run.records[0].accepted)
        assert record[direction]["adapter-numbers"] == predicted.adapter_numbers
        assert record[direction]["adapter-payload-bytes"] == predicted.adapter_payload_bytes
        assert record[direction]["head-payload-bytes"] == predicted.head_payload_bytes
        assert record[direction]["wire-bytes"] == predicted.wire_bytes


class ShuffledGrid(InProcessGrid):
    """Answers in another order than that of the questions."""

    def pull_messages(self, message_ids):
        due = random.Random(len(self._waiting)).choice(sorted(self._waiting, key=int)) if self._waiting else None
        return super().pull_messages([due] if due in message_ids else [])


@pytest.mark.parametrize("name", METHODS)
def test_the_order_of_arrival_does_not_change_a_bit(name):
    assert_same_bits(Run(METHODS[name]()).go(3).state, Run(METHODS[name](), grid_type=ShuffledGrid).go(3).state)


def test_the_order_of_arrival_was_really_shuffled():
    assert Run(grid_type=ShuffledGrid).go(1).client.served != Run().go(1).client.served


def test_a_fraction_of_the_clients_is_sampled_by_seed_and_round():
    one, other = Run(num_clients=6, fraction_train=0.5).go(4), Run(num_clients=6, fraction_train=0.5).go(4)
    sampled = [record.sampled for record in one.records]
    assert sampled == [record.sampled for record in other.records]
    assert all(len(partitions) == 3 for partitions in sampled)
    assert len({tuple(partitions) for partitions in sampled}) > 1


def test_without_diagnostics_the_state_is_the_same():
    assert_same_bits(Run().go(2).state, Run(diagnostics=False).go(2).state)


def test_flowers_own_start_runs_the_strategy_too():
    run = Run()
    result = run.federation.start(run.grid, run.federation.arrays, num_rounds=2)
    assert_same_bits(run.state, Run().go(2).state)
    assert set(result.train_metrics_clientapp) == {1, 2}


def test_a_message_outlives_a_round_that_waits_for_days():
    class Watching(InProcessGrid):
        def push_messages(self, messages):
            messages = list(messages)
            seen.extend(message.metadata.ttl for message in messages if message.metadata.message_type == "train")
            return super().push_messages(messages)

    seen: list[float] = []
    Run(num_clients=2, grid_type=Watching, round_timeout=200_000.0).go(1)
    assert seen == [200_000.0] * 2
