"""`florg partition` says who has what before anyone trains."""

import numpy as np
import pytest
from typer.testing import CliRunner

from florg_app.cli.main import app
from florg_app.config.parse import parse_settings
from florg_app.data.client_rows import ClientRows
from florg_app.data.partition_plot import draw_partition
from florg_app.data.partition_table import OTHERS, PartitionTable, count_partitions
from florg_app.tasks.registry import make_task
from tests.support.local_data import write

SMALL = {"task.max-train-rows": 240, "partition.holdout": 0.25}


def test_counts_are_those_of_the_rows_that_clients_get():
    settings = parse_settings(SMALL)
    division = count_partitions(settings, 3)
    clients = ClientRows(make_task(settings), settings, 0.25)
    assert division.values == ("false", "true")
    for client in range(3):
        train, held_out = clients.of(client, 3)
        assert division.sizes[client].tolist() == [len(train), len(held_out)]
        labels = clients.train.select(np.concatenate([train, held_out]))["label"][:]
        assert division.counts[client].tolist() == [labels.count(0), labels.count(1)]


def test_a_method_that_pools_the_rows_shows_the_clients_they_are_of():
    pooled = count_partitions(parse_settings({**SMALL, "strategy.name": "centralised"}), 3)
    assert np.array_equal(pooled.counts, count_partitions(parse_settings(SMALL), 3).counts)


def test_the_rarest_values_are_shown_as_others():
    counts = np.array([[5, 1, 9, 2], [6, 1, 9, 3]])
    shown = PartitionTable(np.array([[17, 0], [19, 0]]), ("a", "b", "c", "d"), counts).shortened(3)
    assert shown.values == ("a", "c", OTHERS)
    assert shown.counts.tolist() == [[5, 9, 3], [6, 9, 4]]


def test_the_command_prints_the_table_and_writes_the_picture_without_a_model(tmp_path, monkeypatch):
    monkeypatch.setattr("florg_app.pretrained.load_pretrained", None)
    write(tmp_path / "train.csv", {"text": list("abcdef"), "label": ["x", "y", "x"] * 2, "at": ["n", "n", "s"] * 2})
    keys = ["task.name=text", f"task.path={tmp_path}", "partition.name=natural-id", "partition.column=at"]
    assignments = [word for key in (*keys, "partition.min-size=1") for word in ("--set", key)]
    picture = tmp_path / "division.png"
    result = CliRunner().invoke(app, ["partition", *assignments, "--clients", "2", "--output", str(picture)])
    assert result.exit_code == 0, result.output
    lines = [line.replace("│", " ").split() for line in result.output.splitlines()]
    assert ["0", "2", "2", "4", "0"] in lines
    assert ["1", "2", "0", "2", "0"] in lines
    assert ["all", "4", "2", "6", "0"] in lines
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_command_refuses_what_a_run_would_refuse(tmp_path):
    result = CliRunner().invoke(app, ["partition", "--clients", "900", "--output", str(tmp_path / "no.png")])
    assert result.exit_code == 2
    assert "partition.min-size" in result.output
    assert not (tmp_path / "no.png").exists()


@pytest.mark.parametrize(("num_clients", "num_values"), [(100, 2), (3, 40), (4, 0)])
def test_many_clients_many_values_and_none_can_be_drawn(num_clients, num_values, tmp_path):
    counts = np.arange(num_clients * num_values).reshape(num_clients, num_values)
    sizes = np.stack([np.arange(num_clients) + 1, np.zeros(num_clients, int)], axis=1)
    draw_partition(
        PartitionTable(sizes, tuple(f"value {v}" for v in range(num_values)), counts), tmp_path / "p.png", "t"
    )
    assert (tmp_path / "p.png").stat().st_size > 1000
