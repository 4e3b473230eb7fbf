"""Who takes part: clients that are missing, late, silent, or do not know who they are."""

import pytest
from flwr.app import Message, MetricRecord, RecordDict

from florg_app.engines.inline import InProcessGrid, task_identity
from strategies.exchange.wire import METRICS, PARTITION
from strategies.server import polling, roster
from tests.support.clock import clock_of
from tests.support.fakes import Run


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    return clock_of(monkeypatch, polling, roster)


def test_no_clients_at_all_is_an_error_that_says_what_to_do():
    run = Run(num_clients=1, min_clients=2, wait_timeout=3.0)
    with pytest.raises(TimeoutError, match=r"1 client\(s\) online .* min-clients = 2: start more SuperNodes"):
        run.go(1)


class LateGrid(InProcessGrid):
    """Two of the nodes come online after the first look for nodes of round 1."""

    def __init__(self, *args):
        super().__init__(*args)
        self.looks = 0

    def get_node_ids(self):
        self.looks += 1
        nodes = super().get_node_ids()
        return nodes[:2] if self.looks <= 2 else nodes


def test_a_client_that_joins_late_takes_part_at_once():
    run = Run(grid_type=LateGrid, min_clients=2).go(2)
    assert [record.sampled for record in run.records] == [[0, 1], [0, 1, 2, 3]]


def test_an_unready_node_is_left_out_until_it_says_who_it_is():
    run = Run()
    serve, failures = run.grid._client, iter([True])

    def flaky(message, context):
        if (
            message.metadata.message_type == "query"
            and context.node_config["partition-id"] == 1
            and next(failures, False)
        ):
            raise RuntimeError("still starting")
        return serve(message, context)

    run.grid._client = flaky
    run.go(2)
    assert [record.sampled for record in run.records] == [[0, 2, 3], [0, 1, 2, 3]]


class DeafGrid(InProcessGrid):
    """The first node never answers the question who it is."""

    def pull_messages(self, message_ids):
        return super().pull_messages([i for i in message_ids if i != "1"])


def test_a_node_that_does_not_say_who_it_is_is_waited_for_once(clock):
    run = Run(grid_type=DeafGrid, diagnostics=False).go(5)
    assert [record.sampled for record in run.records] == [[1, 2, 3]] * 5
    assert roster.HELLO_SECONDS <= clock.now < 2 * roster.HELLO_SECONDS


@pytest.mark.parametrize("answer", [RecordDict(), RecordDict({METRICS: MetricRecord({PARTITION: -3})})])
def test_a_node_with_a_senseless_partition_takes_no_part(answer):
    run = Run()
    serve = run.grid._client

    def senseless(message, context):
        if message.metadata.message_type == "query" and context.node_config["partition-id"] == 1:
            return Message(answer, reply_to=message)
        return serve(message, context)

    run.grid._client = senseless
    assert run.go(1).records[0].sampled == [0, 2, 3]
