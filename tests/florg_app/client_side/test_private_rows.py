"""Of a client's own files counts and scores leave it, and never a row: not in metrics, not in the words of an error."""

import pytest
import torch
from flwr.app import Context, Message, RecordDict
from flwr.serverapp.exception import AggregationError

from florg_app import client_app
from florg_app.assembly import assemble
from florg_app.client_side.node import own_paths
from florg_app.config.parse import ConfigError, parse_settings
from florg_app.tasks.registry import make_task
from tests.florg_app.test_app import history, run
from tests.support.local_data import ROWS, write

SECRET = "patient Jane Roe has a rare disease"
GOOD = {"sentence1": [SECRET] * 12, "sentence2": ["a dog runs"] * 12, "label": [0, 1, 1] * 4}


def complaint(folder, split="train", **keys) -> str:
    with pytest.raises(ConfigError) as caught:
        make_task(parse_settings({"task.name": "glue/mrpc", **keys}), folder).rows(split)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("train.jsonl", '{"sentence1": "%s", "sentence2": "", "label": 1}', "row 1: sentence2 is empty"),
        ("train.jsonl", '{"sentence1": "a", "sentence2": "b", "label": "%s"}', "row 1: label is none of 0"),
        ("train.jsonl", '{"sentence1": "%s", "label": 1}', "no column sentence2"),
        ("train.jsonl", '{"sentence1": "%s"', "no column sentence1, sentence2, label; row 1: (line 1) is not JSON"),
        ("train.csv", "%s,b,1\na,b,1\n", "no column sentence1, sentence2, label"),
        ("train.csv", "%s\tb\t1\na\tb\t1\n", "has one column only; it seems to be separated by tabs"),
        ("train.csv", 'sentence1,sentence2,label\n"%s', "row 1: (line 2) has a quotation mark that begins"),
        ("train.parquet", "%s", "cannot be read as parquet"),
    ],
)
def test_an_error_about_private_rows_names_file_place_and_problem_and_quotes_them_in_the_own_log_alone(
    name, content, said, tmp_path, caplog
):
    (tmp_path / name).write_text(content % SECRET if "%s" in content else content)
    message = complaint(tmp_path)
    assert f"{name}: {said}" in message
    assert SECRET not in message
    assert "Jane" not in message


def test_the_own_log_quotes_the_cell(tmp_path, caplog):
    write(tmp_path / "train.jsonl", {**ROWS, "label": [0, 1, SECRET, 1]})
    assert SECRET not in complaint(tmp_path)
    assert f"label = {SECRET!r} is none of" in caplog.text


def test_a_file_that_others_can_read_is_quoted(tmp_path):
    write(tmp_path / "train.jsonl", {**ROWS, "label": [0, 1, SECRET, 1]})
    with pytest.raises(ConfigError, match=SECRET):
        make_task(parse_settings({"task.name": "glue/mrpc", "task.path": str(tmp_path)})).rows("train")


@pytest.mark.parametrize("place", ["reading", "training"])
def test_nothing_of_a_row_reaches_the_server_when_a_client_fails(place, tmp_path, monkeypatch):
    own = tmp_path / "own"
    own.mkdir()
    write(own / "train.jsonl", {**GOOD, "label": [*GOOD["label"][:-1], SECRET if place == "reading" else 1]})

    def fail(*args, **kwargs):
        raise TypeError(f"cannot use {SECRET}")

    if place == "training":
        monkeypatch.setattr(client_app.trainer, "local_train", fail)

    def client(message: Message, context):
        context.node_config["data-path"] = str(own)
        return client_app.app(message, context)

    with pytest.raises({"reading": ConfigError, "training": AggregationError}[place]) as caught:
        run(tmp_path / "run", num_clients=2, client=client, **{"max-skipped": 1, "num-server-rounds": 1})
    reasons = [rejected["reason"] for record in history(tmp_path / "run")[1:] for rejected in record["rejected"]]
    if place == "reading":
        assert "row 12: label is none of" in str(caught.value)
    else:
        assert ["TypeError in test_private_rows.py, line" in reason for reason in reasons] == [True, True]
    assert not any(SECRET in path.read_text() for path in (tmp_path / "run").glob("*.json*"))
    assert SECRET not in str(caught.value)


def test_a_clients_validation_path_is_what_it_scores_itself_on_and_it_trains_on_all_other_rows(tmp_path):
    write(tmp_path / "rows.csv", GOOD)
    write(tmp_path / "later.jsonl", {name: column[:5] for name, column in GOOD.items()})
    settings = parse_settings({"partition.holdout": 0.25})
    paths = tmp_path / "rows.csv", tmp_path / "later.jsonl"
    data = assemble(settings, torch.device("cpu"), *paths).data.client(0, 2)
    assert (len(data.train), len(data.held_out)) == (12, 5)
    alone = assemble(settings, torch.device("cpu"), paths[0]).data.client(0, 2)
    assert (len(alone.train), len(alone.held_out)) == (9, 3)


def test_a_single_private_file_has_no_validation_rows(tmp_path):
    write(tmp_path / "rows.csv", GOOD)
    assert "rows.csv: no file for validation" in complaint(tmp_path / "rows.csv", "validation")


def test_a_validation_path_needs_a_data_path(tmp_path):
    node = {"partition-id": 0, "num-partitions": 1, "validation-path": str(tmp_path)}
    context = Context(run_id=1, node_id=1, node_config=node, state=RecordDict(), run_config={})
    with pytest.raises(ConfigError, match=r"validation-path = .* without data-path.*add data-path"):
        own_paths(context)
