"""`task.client-files`: a simulated client has one file, as a SuperNode has its own; the union of what all hold out."""

import pytest

from clients.backbone import CPU
from florg_app import client_app
from florg_app.config.parse import ConfigError, parse_settings
from florg_app.data.client_rows import ClientRows
from florg_app.data.features import ClientDatasets
from florg_app.engines import inline
from florg_app.pretrained import load_pretrained
from florg_app.tasks.registry import make_task
from tests.florg_app.test_app import SMALL, history, run
from tests.support.local_data import write


def files(folder, sizes=(12, 20, 16)):
    """One file per client, in several formats; the first sentence says whose row it is."""
    folder.mkdir()
    for name, size in zip(("c.csv", "a.jsonl", "b.tsv"), sizes, strict=True):
        rows = {"sentence1": [name] * size, "sentence2": ["a dog runs"] * size, "label": [0, 1] * (size // 2)}
        write(folder / name, rows)
    return {"task.client-files": str(folder)}


def test_a_client_has_the_rows_of_its_file_in_the_order_of_names(tmp_path):
    settings = parse_settings(files(tmp_path / "clients"))
    clients = ClientRows(make_task(settings), settings, 0.0)
    owners = [set(clients.train.select(clients.of(client, 3)[0])["sentence1"]) for client in range(3)]
    assert owners == [{"a.jsonl"}, {"b.tsv"}, {"c.csv"}]


def test_another_number_of_clients_than_of_files_is_refused(tmp_path):
    settings = parse_settings(files(tmp_path / "clients"))
    with pytest.raises(ConfigError, match=r"has the rows of 3 clients, .* but the run has 4; run 3 clients"):
        ClientRows(make_task(settings), settings, 0.0).of(0, 4)


def test_files_of_clients_are_not_divided_further(tmp_path):
    with pytest.raises(ConfigError, match=r"task.client-files = .*remove all partition settings but partition.holdout"):
        parse_settings({**files(tmp_path / "clients"), "partition.name": "iid"})


def test_validation_rows_come_from_the_task_path(tmp_path):
    keys = files(tmp_path / "clients")
    with pytest.raises(ConfigError, match=r"has training rows alone; name a folder .* in task.path"):
        make_task(parse_settings(keys)).rows("validation")
    write(tmp_path / "validation.csv", {"sentence1": ["a"], "sentence2": ["b"], "label": [1]})
    assert make_task(parse_settings({**keys, "task.path": str(tmp_path)})).rows("validation")["sentence1"][:] == ["a"]


def test_classes_are_found_in_the_files_of_all_clients(tmp_path):
    for name, label in (("a", "x"), ("b", "y")):
        write(tmp_path / f"{name}.csv", {"text": ["t"] * 3, "label": [label] * 3})
    assert make_task(parse_settings({"task.name": "text", "task.client-files": str(tmp_path)})).label_names == (
        "x",
        "y",
    )


def test_the_union_is_what_all_clients_hold_out_and_nothing_that_any_trains_on(tmp_path):
    settings = parse_settings(
        {**files(tmp_path / "clients"), "partition.holdout": 0.25, "evaluate.rows": "union-held-out"}
    )
    task = make_task(settings)
    data = ClientDatasets(task, load_pretrained(settings.model, task.head, 1, CPU).preprocessor, settings)
    assert [len(data.client(client, 3).held_out) for client in range(3)] == [5, 4, 3]
    assert len(data.held_out(3)) == 12
    rows = ClientRows(task, settings, 0.25)
    trained, held_out = rows.of_all(3)
    assert sorted([*trained, *held_out]) == list(range(48))


def test_a_simulation_is_scored_on_the_union_by_the_server(tmp_path):
    keys = {**files(tmp_path / "clients"), "partition.holdout": 0.25, "evaluate.rows": "union-held-out"}
    one_round = {"num-server-rounds": 1, "client.threads": 1, "output-dir": str(tmp_path / "run")}
    inline.run_in_process({**keys, **one_round}, 3)
    records = history(tmp_path / "run")
    assert [record["evaluation"].keys() >= {"accuracy", "loss"} for record in records] == [True, True]
    assert {name: client["num-examples"] for name, client in records[1]["clients"].items()} == {
        "0": 15,
        "1": 12,
        "2": 9,
    }


def test_the_union_of_private_rows_is_refused_with_the_reason(tmp_path):
    def client(message, context):
        context.node_config["data-path"] = str(tmp_path)
        return client_app.app(message, context)

    with pytest.raises(ConfigError, match=r"private rows .* never leave them"):
        run(tmp_path / "run", 2, client, **{"partition.holdout": 0.25, "evaluate.rows": "union-held-out"})


def test_the_union_needs_a_share_that_is_held_out():
    with pytest.raises(ConfigError, match=r"partition.holdout above 0"):
        parse_settings({**SMALL, "evaluate.rows": "union-held-out"})
