"""What was typed on each node by hand is compared before round 1, and every node's rows are read before it."""

import json
from pathlib import Path

import pytest
from flwr.app import Message

from florg_app import client_app
from florg_app.config.parse import ConfigError
from florg_app.server_side.census import Census
from strategies.exchange.hello import ROWS as ROWS_ASKED
from strategies.exchange.hello import Hello, question_of, refusal_content
from tests.florg_app.test_app import history, run
from tests.support.local_data import write

ROWS = {"sentence1": ["a red dog runs"] * 24, "sentence2": ["a dog runs"] * 24, "label": [0, 1] * 12}
MRPC = {"task.name": "glue/mrpc", "partition.name": "iid", "num-server-rounds": 1, "task.max-train-rows": -1}


def told(**nodes: dict):
    """A client whose nodes (n0, n1, ...) are told this as well."""

    def client(message: Message, context):
        context.node_config.update(nodes.get(f"n{context.node_id - 100}", {}))
        return client_app.app(message, context)

    return client


ONE_ROUND = {"num-server-rounds": 1}


def refusal(folder: Path, num_clients: int, client=client_app.app, **settings) -> str:
    with pytest.raises(ConfigError) as caught:
        run(folder, num_clients, client, **settings)
    assert history(folder) == [], "nothing was trained or scored"
    assert json.loads((folder / "summary.json").read_text())["status"] == "failed"
    return str(caught.value)


def test_two_nodes_that_divide_the_rows_by_other_numbers_are_refused_by_name_and_key(tmp_path):
    message = refusal(tmp_path / "run", 2, told(n1={"num-partitions": 3}))
    assert message.startswith("0 of min-clients = 1 clients can take part: node 100 (partition-id 0) and node 101")
    assert "no num-partitions is that of most, and some rows would be trained on twice, others never" in message
    assert "node 100 (partition-id 0) has 2, node 101 (partition-id 1) has 3; tell all SuperNodes the same" in message


def test_a_node_that_contradicts_most_others_takes_no_part_and_is_named(tmp_path, caplog):
    """What one node says ends no run, unless the run needs every node."""
    odd = told(n1={"num-partitions": 5})
    assert history(run(tmp_path / "run", 3, odd, **ONE_ROUND))[1]["accepted"] == [0, 2]
    reason = "its num-partitions = 5, and most nodes have 3: correct its configuration"
    assert f"node 101 (partition-id 1) takes no part: {reason}" in caplog.text
    assert "num-partitions = 3: nobody trains on the rows of partition 1" in caplog.text
    message = refusal(tmp_path / "all", 3, odd, **ONE_ROUND, **{"min-clients": 3})
    assert f"2 of min-clients = 3 clients can take part: node 101 (partition-id 1): {reason}" in message


@pytest.mark.parametrize("value", [1.5, "a", -1, 7])
def test_a_partition_that_is_none_is_refused_by_node_and_key(value, tmp_path, caplog):
    wrong = told(n1={"partition-id": value})
    assert history(run(tmp_path / "run", 2, wrong, **ONE_ROUND))[1]["accepted"] == [0]
    reason = f"the node configuration has partition-id = {value!r}"
    assert f"node 101 takes no part: {reason}" in caplog.text
    message = refusal(tmp_path / "all", 2, wrong, **ONE_ROUND, **{"min-clients": 2})
    assert f"1 of min-clients = 2 clients can take part: node 101: {reason}" in message


def test_nodes_of_one_name_are_refused(tmp_path, caplog):
    same = told(n1={"client-name": "x"}, n2={"client-name": "x"})
    assert history(run(tmp_path / "run", 4, same, **ONE_ROUND))[1]["accepted"] == [0, 3]
    reason = "client-name = x is that of node 101 (partition-id 1, client-name x) and node 102 (partition-id 2, "
    assert f"{reason}client-name x); give each SuperNode its own" in caplog.text


def test_a_name_that_is_anothers_number_is_refused(tmp_path):
    """A node without a name is called by its partition."""
    message = refusal(tmp_path / "run", 2, told(n0={"client-name": "1"}))
    assert (
        "client-name = 1 is that of node 100 (partition-id 0, client-name 1) and node 101 (partition-id 1)" in message
    )


def test_two_nodes_of_one_partition_take_no_part_and_are_named(tmp_path, caplog):
    same = told(n1={"partition-id": 0}, n2={"partition-id": 1})
    assert history(run(tmp_path / "run", 3, same, **ONE_ROUND))[1]["accepted"] == [1]
    assert "partition 0 is claimed by nodes 100, 101 too: none of them takes part" in caplog.text


def test_partitions_that_no_node_holds_are_said_and_the_run_goes_on(tmp_path, caplog):
    run(tmp_path / "run", 2, told(n0={"num-partitions": 4}, n1={"num-partitions": 4}), **ONE_ROUND)
    assert "num-partitions = 4: nobody trains on the rows of partition 2, 3" in caplog.text
    assert history(tmp_path / "run")[1]["accepted"] == [0, 1]


def test_a_share_of_a_node_with_rows_of_its_own_is_said(tmp_path, caplog):
    (tmp_path / "own").mkdir()
    write(tmp_path / "own" / "train.csv", ROWS)
    run(tmp_path / "run", 3, told(n1={"data-path": str(tmp_path / "own")}), **ONE_ROUND)
    assert "nobody trains on the rows of partition 1; with rows of its own there is 1" in caplog.text


def test_nodes_that_read_the_same_files_are_said(tmp_path, caplog):
    write(tmp_path / "rows.csv", ROWS)
    own = {"data-path": str(tmp_path / "rows.csv")}
    run(tmp_path / "run", 2, told(n0=own, n1=own), **ONE_ROUND)
    assert "node 100 (partition-id 0) and node 101 (partition-id 1) read the same files (data-path)" in caplog.text


@pytest.mark.parametrize(
    ("late", "reason"),
    [
        (Hello(1, 3), "its num-partitions = 3, and most nodes have 2"),
        (Hello(1, 2, name="a"), "client-name = a is that of node 7 (partition-id 0, client-name a) too"),
        (Hello(1, 2, name="b"), ""),
        (Hello(1, 3, private=True, name="b"), ""),
        (Hello(0, 2, name="a"), ""),
    ],
)
def test_a_node_that_comes_late_is_held_against_those_that_were_there(late, reason):
    said = Census({7: Hello(0, 2, name="a")}).objection(late)
    assert (said[: len(reason)], bool(said)) == (reason, bool(reason))


@pytest.fixture
def shared(tmp_path):
    """Good rows, and one bad row in the training rows."""
    folder = tmp_path / "shared"
    folder.mkdir()
    write(folder / "validation.jsonl", ROWS)
    write(folder / "train.jsonl", {**ROWS, "sentence2": [*ROWS["sentence2"][:-1], " "]})
    return folder


def test_a_bad_row_that_all_read_ends_the_run_before_round_1(shared, tmp_path):
    message = refusal(tmp_path / "run", 2, **MRPC, **{"task.path": str(shared)})
    assert "train.jsonl: row 24: sentence2 = ' ' is empty; correct it, or set task.bad-rows" in message


def test_a_nodes_bad_row_is_named_before_round_1_and_ends_a_run_that_needs_every_node(shared, tmp_path, caplog):
    own = {"data-path": str(shared / "train.jsonl"), "client-name": "clinic"}
    reason = f'data-path = "{shared / "train.jsonl"}": train.jsonl: row 24: sentence2 is empty; correct it, or set'
    message = refusal(tmp_path / "all", 2, told(n1=own), **ONE_ROUND, **{"min-clients": 2})
    assert (
        f"1 of min-clients = 2 clients can take part: node 101 (partition-id 1, client-name clinic): {reason}"
        in message
    )
    records = history(run(tmp_path / "run", 2, told(n1=own), **ONE_ROUND))
    assert (records[1]["accepted"], records[1]["rejected"]) == ([0], [])
    assert f"node 101 (partition-id 1, client-name clinic) takes no part: {reason}" in caplog.text


def test_a_nodes_bad_row_is_left_out_and_counted_where_that_is_wanted(shared, tmp_path):
    own = {"data-path": str(shared / "train.jsonl")}
    record = history(run(tmp_path / "skip", 2, told(n1=own), **ONE_ROUND, **{"task.bad-rows": "skip"}))[1]
    assert (record["accepted"], record["clients"]["1"]["num-examples"]) == ([0, 1], 23)
    assert record["clients"]["1"]["skipped-rows"] == 1


def test_all_nodes_with_bad_rows_are_named_at_once(shared, tmp_path):
    write(tmp_path / "other.jsonl", {**ROWS, "label": [*ROWS["label"][:-1], 5]})
    nodes = {"n0": {"data-path": str(tmp_path / "other.jsonl")}, "n2": {"data-path": str(shared / "train.jsonl")}}
    message = refusal(tmp_path / "run", 3, told(**nodes), **{"min-clients": 2})
    assert "node 100 (partition-id 0): data-path = " in message
    assert "other.jsonl: row 24: label is none of" in message
    assert "node 102 (partition-id 2): data-path = " in message


@pytest.mark.parametrize("lie", ["task.path: row 1 is bad", "", "x" * 10**6, "\x1b[31m\u2028"])
def test_a_node_that_lies_about_rows_that_all_read_harms_itself_alone(lie, shared, tmp_path):
    write(shared / "train.jsonl", ROWS)

    def client(message: Message, context):
        if message.metadata.message_type == "query" and question_of(message) == ROWS_ASKED and context.node_id == 101:
            return Message(refusal_content(lie), reply_to=message)
        return client_app.app(message, context)

    record = history(run(tmp_path / "run", 3, client, **MRPC, **{"task.path": str(shared)}))[1]
    assert record["accepted"] == ([0, 2] if lie.strip("\x1b\u2028") else [0, 1, 2])


def test_a_node_that_fails_at_the_question_for_another_reason_is_left_to_the_rounds(shared, tmp_path, caplog):
    write(shared / "train.jsonl", ROWS)

    def client(message: Message, context):
        if message.metadata.message_type == "query" and question_of(message) == ROWS_ASKED:
            raise OSError("disk on fire")
        return client_app.app(message, context)

    records = history(run(tmp_path / "run", 2, client, **MRPC, **{"task.path": str(shared)}))
    assert records[1]["accepted"] == [0, 1]
    assert caplog.text.count("could not read its rows: it is not ready") == 2


def test_a_bad_row_of_the_central_validation_ends_the_run_before_round_1(shared, tmp_path):
    write(shared / "train.jsonl", ROWS)
    write(shared / "validation.jsonl", {**ROWS, "label": [2, *ROWS["label"][1:]]})
    with pytest.raises(ConfigError, match=r"validation.jsonl: row 1: label = 2 is none of"):
        run(tmp_path / "run", 2, **MRPC, **{"task.path": str(shared)})
    assert history(tmp_path / "run") == []


def numbers(*said: int | None, private: int | None = None) -> Census:
    return Census({100 + i: Hello(i, number, i == private) for i, number in enumerate(said)})


@pytest.mark.parametrize(("said", "number"), [((4, 4, 4), 4), ((4, 7, 4), 4), ((None, 4), 4), ((4, 4, None, 7), 4)])
def test_the_server_divides_the_rows_by_the_number_that_most_say(said, number):
    assert numbers(*said).num_partitions() == number


@pytest.mark.parametrize("said", [(4, 7), (4, 4, 7, 8), (None, None), ()])
def test_without_a_number_that_most_say_there_is_none(said):
    with pytest.raises(ConfigError, match=r"num-partitions of the clients: .*; it must be the same number"):
        numbers(*said).num_partitions()


def test_rows_of_a_nodes_own_are_none_that_the_server_could_score():
    with pytest.raises(ConfigError, match=r"private rows \(data-path; nodes 101\)"):
        numbers(4, 4, private=1).num_partitions()
