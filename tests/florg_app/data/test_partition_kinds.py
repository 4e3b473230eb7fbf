"""Each way of dividing rows does what its name says, by any column, and takes no settings of another."""

import numpy as np
import pytest
from datasets import Dataset

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.data.client_rows import ClientRows
from florg_app.data.partition import partition_rows
from florg_app.tasks.registry import make_task
from tests.florg_app.data.test_partition import partition
from tests.support.local_data import write

LABELS = np.sort(np.arange(600) % 3)


@pytest.mark.parametrize(
    ("name", "units"), [("linear", [1, 2, 3, 4]), ("square", [1, 4, 9, 16]), ("exponential", np.exp([1, 2, 3, 4]))]
)
def test_sizes_grow_with_the_partition_as_the_name_says(name, units):
    sizes = np.array([len(part) for part in partition(600, 4, name=name)])
    assert np.abs(sizes - 600 * np.asarray(units) / np.sum(units)).max() <= 4  # what is left over goes to the last


def test_the_sizes_are_skewed_and_the_classes_are_not():
    parts = partition(3000, 3, name="linear")
    shares = [np.bincount(np.sort(np.arange(3000) % 3)[part]) / len(part) for part in parts]
    assert np.abs(np.stack(shares) - 1 / 3).max() < 0.06


@pytest.mark.parametrize("number", [1, 2])
def test_each_client_has_as_many_classes_as_asked_for(number):
    parts = partition(600, 6, name="pathological", classes_per_client=number)
    assert {len(np.unique(LABELS[part])) for part in parts} == {number}


def test_a_class_that_no_client_would_have_is_refused_with_its_name():
    with pytest.raises(ConfigError, match=r"classes-per-client = 1 leaves 1 of 3 classes without a client \(2\)"):
        partition(600, 2, name="pathological", classes_per_client=1)


def test_more_classes_per_client_than_there_are_is_refused():
    with pytest.raises(ConfigError, match=r"partition.classes-per-client = 4.*of 5 clients"):
        partition(600, 5, name="pathological", classes_per_client=4)


def test_a_size_below_min_size_names_the_client_and_what_to_change():
    with pytest.raises(ConfigError, match=r'"exponential" leaves client 0 of 6 clients .*fewer than .*min-size = 8'):
        partition(600, 6, name="exponential", min_size=8)


@pytest.mark.parametrize("names", [["10", "9", "clinic a", "clinic b"], [10, 9, 2, 11], [2.5, 0.5, 3.5, -1.0]])
def test_every_id_becomes_a_client_in_the_order_of_numbers_then_of_names(names):
    ids = [names[row % 4] for row in range(42)]
    chosen = parse_settings({"partition.name": "natural-id", "partition.column": "who"}).partition
    parts = partition_rows(Dataset.from_dict({"who": ids}), "who", chosen, 4, seed=1)
    order = ["9", "10", "clinic a", "clinic b"] if names[-1] == "clinic b" else sorted(names)
    assert [{ids[row] for row in part} for part in parts] == [{name} for name in order]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(42))


def test_another_number_of_clients_than_of_ids_is_refused():
    chosen = parse_settings({"partition.name": "natural-id", "partition.column": "client"}).partition
    ids = Dataset.from_dict({"client": [f"clinic {row % 5}" for row in range(100)]})
    with pytest.raises(ConfigError, match=r'"client", which has 5 .*\(clinic 0, clinic 1.*not 4; run 5 clients'):
        partition_rows(ids, "client", chosen, 4, seed=1)


@pytest.mark.parametrize("hole", [None, float("nan")])
def test_rows_without_a_value_in_the_column_are_named(hole):
    chosen = parse_settings({"partition.column": "who"}).partition
    rows = Dataset.from_dict({"who": [1.0, hole, 2.0] * 20})
    with pytest.raises(ConfigError, match=r"neither a text nor a number in 20 training rows, .* row 2"):
        partition_rows(rows, "who", chosen, 2, seed=1)


@pytest.mark.parametrize(
    ("name", "key", "value", "owners"),
    [
        ("iid", "alpha", 0.1, "dirichlet"),
        ("dirichlet", "classes-per-client", 3, "pathological"),
        ("linear", "column", "hospital", "dirichlet | natural-id | pathological"),
    ],
)
def test_a_setting_of_another_way_of_dividing_is_refused(name, key, value, owners):
    with pytest.raises(ConfigError) as caught:
        parse_settings({"partition.name": name, f"partition.{key}": value})
    assert f"partition.{key} = " in str(caught.value)
    assert all(owner in str(caught.value) for owner in owners.split(" | "))


def test_ids_need_a_column():
    with pytest.raises(ConfigError, match=r"name it in partition\.column"):
        parse_settings({"partition.name": "natural-id"})


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_rows_are_divided_by_a_column_that_the_task_does_not_read(suffix, tmp_path):
    hospitals = ["north", "south", "north", "west"] * 10
    rows = {"text": [f"a {row}" for row in range(40)], "label": ["x", "y"] * 20, "hospital": hospitals}
    write(tmp_path / f"train.{suffix}", rows)
    keys = {"task.name": "text", "task.path": str(tmp_path), "partition.name": "natural-id"}
    settings = parse_settings({**keys, "partition.column": "hospital"})
    clients = ClientRows(make_task(settings), settings, 0.0)
    assert [{hospitals[row] for row in clients.of(client, 3)[0]} for client in range(3)] == [
        {"north"},
        {"south"},
        {"west"},
    ]


def test_a_column_that_the_files_lack_is_named(tmp_path):
    write(tmp_path / "train.csv", {"text": ["a", "b"], "label": ["x", "y"]})
    settings = parse_settings({"task.name": "text", "task.path": str(tmp_path), "partition.column": "hospital"})
    with pytest.raises(ConfigError, match="no column hospital; its columns are text, label"):
        make_task(settings).rows("train")
    tiny = parse_settings({"partition.column": "hospital"})
    with pytest.raises(ConfigError, match=r'partition.column = "hospital": the training rows have no such column'):
        make_task(tiny).rows("train")
