"""One client's bytes cost that client its reply and nobody anything else; a failing network is no client's fault."""

import pytest
from flwr.app import Array, ArrayRecord, Message, RecordDict

from florg_app.engines.inline import InProcessGrid
from strategies.flower_internals import assign_message_id, task_identity
from strategies.server.bounded_arrays import bounded_arrays
from strategies.server.polling import OF_THE_BYTES, Unreadable, collect
from tests.support.fakes import Run, assert_same_bits, expected_state
from tests.support.flower_internals import claim_to_answer, pack_objects, unpack_objects


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


def questions(num_clients: int) -> tuple[list[int], list[tuple[Message, int]]]:
    nodes = list(range(100, 100 + num_clients))
    return nodes, [(Message(RecordDict(), node, "query"), node) for node in nodes]


def answers(pull, num_clients: int = 4) -> dict:
    """What each node's reply comes to, where `pull` stands between the grid and the server."""

    class Grid(InProcessGrid):
        def pull_messages(self, message_ids):
            return pull(list(super().pull_messages(message_ids)))

    grid = Grid(lambda message, context: Message(RecordDict(), reply_to=message), {}, num_clients)
    _, messages = questions(num_clients)
    return dict(collect(grid, messages, 5.0, 1000))


def stumble(error: Exception):
    """A grid that raises where the second client's reply is unpacked."""

    def pull(replies):
        if any(reply.metadata.src_node_id == 101 for reply in replies):
            raise error
        return replies

    return pull


@pytest.mark.parametrize("kind", OF_THE_BYTES)
def test_a_reply_that_cannot_be_unpacked_is_that_clients_alone(kind):
    found = answers(stumble(kind("a\u2028b[/red]")))
    assert list(found) == [100, 101, 102, 103]
    assert isinstance(found.pop(101), Unreadable)
    assert all(isinstance(reply, Message) for reply in found.values())


def test_the_reason_is_one_plain_line():
    assert answers(stumble(ValueError("a\u2028b[/red]")))[101] == Unreadable(
        "its reply cannot be unpacked: ValueError: a b(/red)"
    )


@pytest.mark.parametrize(
    "error", [ConnectionError("refused"), TimeoutError("slow"), RuntimeError("the grid is closed")]
)
def test_a_failing_network_ends_the_round(error):
    with pytest.raises(type(error)):
        answers(stumble(error))


def test_a_reply_that_says_it_answers_anothers_message_stays_its_senders():
    def impersonate(replies):
        for reply in replies:
            if reply.metadata.src_node_id == 101:
                claim_to_answer(reply, "3")
        return replies

    found = answers(impersonate)
    assert isinstance(found[101], Unreadable)
    assert "answers another message" in found[101].reason
    assert isinstance(found[102], Message)


def test_an_object_that_is_no_message_is_no_reply():
    found = answers(lambda replies: [RecordDict() if r.metadata.src_node_id == 101 else r for r in replies])
    assert found[101] == Unreadable("its reply is a RecordDict, expected a message")


def test_no_client_can_take_anothers_turn_in_a_round():
    """Client 1 answers as client 2, in client 2's name and to its message; client 2 answers as ever."""

    class Impersonation(InProcessGrid):
        def pull_messages(self, message_ids):
            replies = list(super().pull_messages(message_ids))
            for reply in replies:
                if reply.metadata.src_node_id == 101 and reply.metadata.message_type == "train":
                    claim_to_answer(reply, str(int(reply.metadata.reply_to_message_id) + 1))
                    reply.content.metric_records["metrics"]["partition-id"] = 2
            return replies

    run = Run(grid_type=Impersonation).go(1)
    assert [(r.partition, "another message" in r.reason) for r in run.records[0].rejected] == [(1, True)]
    method = Run().federation._method
    assert_same_bits(run.state, expected_state(method, {1: [0, 2, 3]}, 1))


def packed(sizes: list[int]) -> tuple[str, dict[str, bytes]]:
    """A message with arrays of so many bytes, all zero."""
    question = Message(RecordDict(), 1, "query")
    assign_message_id(question, "1")
    arrays = {str(n): Array("float32", (size,), "numpy.ndarray", bytes([n] * size)) for n, size in enumerate(sizes)}
    reply = Message(RecordDict({"arrays": ArrayRecord(arrays)}), reply_to=question)
    return reply.object_id, pack_objects(reply)


def test_arrays_within_the_budget_are_unpacked_as_ever():
    message_id, objects = packed([100, 900])
    with bounded_arrays(1000):
        reply = unpack_objects(message_id, objects)
    assert [len(array.data) for array in reply.content.array_records["arrays"].values()] == [100, 900]


@pytest.mark.parametrize("sizes", [[1001], [501, 500], [5] * 201])
def test_arrays_beyond_the_budget_are_refused_and_the_next_ones_are_not(sizes):
    message_id, objects = packed(sizes)
    with bounded_arrays(1000), pytest.raises(ValueError, match="more than the 1000 bytes"):
        unpack_objects(message_id, objects)
    assert unpack_objects(message_id, objects).has_content()


def test_a_few_bytes_that_name_one_chunk_without_end_make_no_array():
    message_id, objects = packed([1000])
    (name,) = (name for name, data in objects.items() if b"arraychunk_ids" in data)
    head, _, body = objects[name].partition(b"\x00")
    body = body.replace(b'"arraychunk_ids": [0]', b'"arraychunk_ids": [' + b", ".join([b"0"] * 10**5) + b"]")
    objects[name] = b" ".join([*head.split(b" ")[:2], str(len(body)).encode()]) + b"\x00" + body
    with bounded_arrays(5000), pytest.raises(ValueError, match="more than the 5000 bytes"):
        unpack_objects(message_id, objects)
