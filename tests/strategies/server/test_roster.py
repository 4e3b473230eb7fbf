"""Who takes part: clients that are missing, late, silent, or do not know who they are."""

import math

import pytest
from flwr.app import Message, MetricRecord, RecordDict

from florg_app.engines.inline import InProcessGrid, task_identity
from strategies.exchange.hello import Hello
from strategies.exchange.wire import METRICS, PARTITION
from strategies.server import polling, roster
from tests.strategies.server.test_faults import set_metric
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


def claims(run: Run, partitions: dict[int, object]) -> None:
    """Have nodes, by their own partition, call themselves by another one."""
    serve = run.grid._client

    def client(message, context):
        own = context.node_config["partition-id"]
        if message.metadata.message_type == "query" and own in partitions:
            return Message(RecordDict({METRICS: MetricRecord({PARTITION: partitions[own]})}), reply_to=message)
        return serve(message, context)

    run.grid._client = client


class Arrivals(InProcessGrid):
    """Nodes are there as `present` says."""

    present = (100, 101, 102, 103)

    def get_node_ids(self):
        return list(self.present)


def test_of_two_nodes_of_one_partition_that_come_at_once_neither_takes_part_and_both_are_named(caplog):
    run = Run()
    claims(run, {3: 1})
    assert run.go(2).records[1].sampled == [0, 2]
    (said,) = [record.getMessage() for record in caplog.records if "is claimed" in record.getMessage()]
    assert said == "partition 1 is claimed by nodes 101, 103 too: none of them takes part"


@pytest.mark.parametrize("newcomer", [100, 103])
def test_who_holds_a_partition_keeps_it_whatever_the_node_ids(newcomer, caplog):
    """The newcomer's own partition is 0 or 3; it calls itself 1, and comes when 101 is known as 1."""
    run = Run(grid_type=Arrivals, min_clients=1)
    claims(run, {newcomer - 100: 1})
    run.grid.present = tuple(node for node in (100, 101, 102, 103) if node != newcomer)
    run.go(1)
    run.grid.present = (100, 101, 102, 103)
    run.federation.run(run.grid, [2], lambda t, state: None)
    assert run.federation._roster.online(run.grid)[1] == 101
    assert f"partition 1 is claimed by nodes {newcomer} too: node 101 held it first and keeps it" in caplog.text


def test_a_partition_whose_holder_is_gone_goes_to_the_one_node_that_claims_it():
    run = Run(grid_type=Arrivals, min_clients=1)
    claims(run, {3: 1})
    run.grid.present = (100, 101, 102)
    run.go(1)
    run.grid.present = (100, 102, 103)
    assert run.federation._roster.online(run.grid) == {0: 100, 1: 103, 2: 102}
    run.grid.present = (100, 101, 102, 103)
    assert run.federation._roster.online(run.grid) == {0: 100, 1: 103, 2: 102}


@pytest.mark.parametrize("answer", [1.0, -1, 10**7, float("nan"), [1], 2**62])
def test_a_partition_that_is_no_small_whole_number_is_said_and_takes_no_part(answer, caplog):
    run = Run()
    claims(run, {1: answer})
    assert run.go(1).records[0].sampled == [0, 2, 3]
    assert "node 101 takes no part: it calls itself partition" in caplog.text


def test_rows_that_a_client_says_at_the_start_bound_what_its_uploads_may_claim():
    run = Run(faults={(1, p): set_metric("num-examples", 31) for p in (1, 2)})
    serve = run.grid._client

    def client(message, context):
        reply = serve(message, context)
        if message.metadata.message_type == "query" and context.node_config["partition-id"] == 1:
            reply.content.metric_records[METRICS]["num-examples"] = 30
        return reply

    run.grid._client = client
    (rejected,) = run.go(1).records[0].rejected
    assert (rejected.partition, rejected.reason) == (1, "num-examples = 31, but it said at the start that it has 30")


class BusyNode(InProcessGrid):
    """A grid with one node, which answers what it was asked once it is free."""

    def __init__(self) -> None:
        self.free, self.asked = False, []
        super().__init__(lambda message, _: Message(Hello(0, 2).content(), reply_to=message), {}, 1)

    def push_messages(self, messages):
        self.asked += messages
        return super().push_messages(messages)

    def pull_messages(self, message_ids):
        return super().pull_messages(message_ids) if self.free else []


def test_a_node_that_is_busy_for_another_run_takes_part_from_when_it_answers_and_is_asked_once():
    grid, members = BusyNode(), roster.Roster(patience=0.0)
    (node,) = grid.get_node_ids()
    assert members.online(grid) == {}
    assert members.online(grid) == {}
    grid.free = True
    assert members.online(grid) == {0: node}
    assert len(grid.asked) == 1


def _introduces_itself(message, context):
    return Message(Hello(context.node_config["partition-id"], 2).content(), reply_to=message)


class InTimeGrid(InProcessGrid):
    """A grid whose nodes answer who they are at the second of each."""

    def __init__(self, clock, seconds: dict[int, float]) -> None:
        self._clock, self._seconds = clock, seconds
        super().__init__(_introduces_itself, {}, len(seconds))

    def pull_messages(self, message_ids):
        return super().pull_messages([i for i in message_ids if self._clock.now >= self._seconds[int(i)]])


@pytest.mark.parametrize(("minimum", "begins_at"), [(1, 200), (2, 500)])
def test_as_many_clients_as_are_needed_are_waited_for_while_one_owes_its_answer(minimum, begins_at, clock):
    grid, members = InTimeGrid(clock, {1: 200, 2: 500}), roster.Roster(patience=0.0)
    members.await_hellos(grid, minimum, timeout=600.0)
    assert begins_at <= clock.now < begins_at + 2
    assert len(members.online(grid)) == minimum


def test_a_node_that_never_answers_does_not_end_the_wait_with_an_error_but_is_named_missing(clock, caplog):
    grid, members = InTimeGrid(clock, {1: 0, 2: math.inf}), roster.Roster(patience=0.0)
    members.await_hellos(grid, 2, timeout=60.0)
    assert 60.0 <= clock.now < 62.0
    assert "1 of min-clients = 2 clients said who they are within 60 s" in caplog.text
