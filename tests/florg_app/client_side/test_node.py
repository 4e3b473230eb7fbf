"""What is typed on a node: read as it is meant, or refused by key before anything is asked of the node."""

import pytest
from flwr.app import Context, RecordDict

from florg_app.client_side.node import introduce, partition_of, place_of
from florg_app.config.parse import ConfigError
from strategies.exchange.hello import Hello, parse_hello, refusal_content


def context(**node) -> Context:
    given = {key.replace("_", "-"): value for key, value in node.items()}
    return Context(run_id=1, node_id=1, node_config=given, state=RecordDict(), run_config={})


@pytest.mark.parametrize("partition", [1, 1.0, "1", " 1 ", "1.0"])
def test_a_whole_number_of_any_type_is_a_partition(partition):
    assert partition_of(context(partition_id=partition, num_partitions=2)) == (1, 2)


@pytest.mark.parametrize("value", [1.5, "a", "", True, "1.5", b"1", float("nan")])
@pytest.mark.parametrize("key", ["partition-id", "num-partitions"])
def test_what_is_no_whole_number_is_refused_by_key_and_value(key, value):
    node = {"partition_id": 0, "num_partitions": 2, key.replace("-", "_"): value}
    with pytest.raises(ConfigError) as caught:
        partition_of(context(**node))
    assert f"the node configuration has {key} = {value!r}: expected a whole number, such as --node-config" in str(
        caught.value
    )
    with pytest.raises(ConfigError, match="expected a whole number"):
        introduce(context(**node))


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        ({"num_partitions": 2}, "has no 'partition-id': start the SuperNode with --node-config"),
        ({"partition_id": 0}, "has no 'num-partitions'"),
        (
            {"partition_id": -1, "num_partitions": 2},
            "has partition-id = -1, which is not in 0 .. num-partitions - 1 = 1",
        ),
        ({"partition_id": 2, "num_partitions": 2}, "has partition-id = 2, which is not in 0 .. num-partitions - 1 = 1"),
        ({"partition_id": 0, "num_partitions": 0}, "has partition-id = 0, which is not in 0 .."),
        (
            {"partition_id": 0, "num_partitions": 2, "validation_path": "v"},
            "has validation-path = 'v' without data-path",
        ),
    ],
)
def test_what_is_missing_or_out_of_range_is_refused_by_key(node, problem):
    with pytest.raises(ConfigError) as caught:
        introduce(context(**node))
    assert problem in str(caught.value)


def test_a_node_says_what_the_server_compares_and_the_server_reads_what_it_says(tmp_path):
    said = introduce(context(partition_id=1, num_partitions=3, client_name="clinic", data_path=str(tmp_path)))
    assert said == Hello(1, 3, True, None, "clinic", place_of(tmp_path))
    assert parse_hello(said.content()) == said
    assert introduce(context(partition_id=2, num_partitions=3)) == Hello(2, 3, False, None, "2", "")


def test_why_a_node_cannot_be_used_is_read_as_one_safe_line():
    assert parse_hello(refusal_content("partition-id\n= \x1b[31ma")) == "partition-id = [31ma"
    assert parse_hello(refusal_content("")) == "its answer has no metrics"


def test_the_place_of_data_is_that_of_the_folder_and_tells_no_name(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    places = [place_of(tmp_path / name) for name in ("a", "link", "b", "nowhere")]
    assert places[0] == places[1] != places[2]
    assert places[3] == place_of(None) == ""
    assert all(set(place) <= set("0123456789abcdef") for place in places)
