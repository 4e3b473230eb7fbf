"""Local files of every format are read as they are, and every fault in them is named with the file and the row."""

from pathlib import Path

import pyarrow
import pytest
from datasets import ClassLabel

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.tasks.registry import make_task
from florg_app.tasks.text import glue
from tests.support.local_data import ROWS, cells_of, local_task, write


def complaint(folder: Path, split: str = "train", name: str = "glue/mrpc") -> str:
    with pytest.raises(ConfigError) as caught:
        local_task(folder, name).rows(split)  # pyright: ignore[reportArgumentType]
    assert str(caught.value).startswith(f'task.path = "{folder}": ')
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "tsv", "jsonl"])
@pytest.mark.parametrize("named", [False, True], ids=["numbers", "names"])
def test_rows_are_read_as_they_are_from_every_format(tmp_path, suffix, named):
    names = glue.GLUE_TASKS["mrpc"].label_names
    labels = [names[label] for label in ROWS["label"]] if named else ROWS["label"]
    write(tmp_path / f"train.{suffix}", {**ROWS, "label": labels})
    rows = local_task(tmp_path).rows("train")
    assert cells_of(rows) == {key: ROWS[key] for key in ("sentence1", "sentence2", "label")}
    assert rows.features["label"] == ClassLabel(names=list(names))


def test_a_csv_cell_may_hold_several_lines(tmp_path):
    write(tmp_path / "train.csv", {**ROWS, "sentence1": ["two\nlines", *ROWS["sentence1"][1:]]})
    assert local_task(tmp_path).rows("train")["sentence1"][0] == "two\nlines"


@pytest.mark.parametrize(
    ("files", "split", "found"),
    [
        (["train.csv", "train_subset.csv"], "train", "train.csv"),
        (["train_subset.tsv"], "train", "train_subset.tsv"),
        (["validation_mismatched.csv", "validation_matched.csv"], "validation", "validation_matched.csv"),
        (["dev.jsonl", "train.jsonl", "notes.txt"], "validation", "dev.jsonl"),
    ],
)
def test_the_file_of_a_split_is_found_by_its_name(tmp_path, files, split, found):
    for name in files:
        write(tmp_path / name, {**ROWS, "sentence2": [name] * 4})
    assert set(local_task(tmp_path).rows(split)["sentence2"]) == {found}


def test_the_shards_of_a_hub_file_are_put_together_in_order(tmp_path):
    for shard in (1, 0):
        write(tmp_path / f"train-0000{shard}-of-00002.parquet", {**ROWS, "sentence1": [str(shard)] * 4})
    assert local_task(tmp_path).rows("train")["sentence1"][:] == ["0"] * 4 + ["1"] * 4


def test_a_missing_folder_is_named(tmp_path):
    assert "no such folder" in complaint(tmp_path / "nowhere")


def test_a_missing_file_is_answered_with_what_was_expected_and_found(tmp_path):
    write(tmp_path / "train.csv", ROWS)
    message = complaint(tmp_path, "validation")
    assert "no file for validation" in message
    assert "validation_matched, dev" in message
    assert "found train.csv" in message


def test_two_formats_of_one_split_are_refused(tmp_path):
    write(tmp_path / "train.csv", ROWS)
    write(tmp_path / "train.jsonl", ROWS)
    assert "train.csv, train.jsonl" in complaint(tmp_path)


def test_a_missing_column_is_answered_with_those_there_are(tmp_path):
    write(tmp_path / "train.csv", ROWS)
    message = complaint(tmp_path, name="glue/qqp")
    assert "train.csv: no column question1, question2; its columns are sentence1, sentence2, label, idx" in message


@pytest.mark.parametrize("label", [2, -1, "maybe", "", 0.5, float("nan"), None, [1]])
def test_a_label_outside_the_known_ones_is_named_with_its_row(tmp_path, label):
    write(tmp_path / "train.jsonl", {**ROWS, "label": [1, 0, label, 1]})
    message = complaint(tmp_path)
    assert f"train.jsonl: row 3: label = {label!r} is none of 0 (not_equivalent), 1 (equivalent)" in message


def test_a_missing_text_is_named_with_its_row(tmp_path):
    write(tmp_path / "train.parquet", {**ROWS, "sentence2": ["a", None, "b", "c"]})
    assert "row 2: sentence2 = None is not a text" in complaint(tmp_path)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "tsv"])
def test_a_file_without_rows_is_refused(tmp_path, suffix):
    rows = {name: pyarrow.array([], "string") for name in ROWS} if suffix == "parquet" else {name: [] for name in ROWS}
    write(tmp_path / f"train.{suffix}", rows)
    assert "no rows" in complaint(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("train.tsv", "sentence1\tsentence2\tlabel\na\tb\t1\na\tb\n", "row 2: (line 3) has 2 fields, the header has 3"),
        (
            "train.csv",
            'sentence1,sentence2,label\n"a,b,1\n',
            "row 1: (line 2) has a quotation mark that begins a cell and no other that ends it",
        ),
        (
            "train.jsonl",
            '{"sentence1": "a", "sentence2": "b", "label": 1}\n{"label": 1\n',
            "row 2: (line 2) is not JSON",
        ),
        ("train.jsonl", "[1]\n", "line 1 is not a JSON object"),
        ("train.parquet", "text", "cannot be read"),
        ("train.csv", "", "is empty"),
    ],
)
def test_a_broken_file_is_named_with_the_reason(tmp_path, name, text, reason):
    (tmp_path / name).write_text(text)
    message = complaint(tmp_path)
    assert f": {name}: " in message
    assert reason in message


def test_a_nodes_own_data_go_before_the_task_path_and_are_named_in_errors(tmp_path):
    write(tmp_path / "train.csv", ROWS)
    task = make_task(parse_settings({"task.name": "glue/mrpc", "task.path": "/nowhere"}), data_path=tmp_path)
    assert len(task.rows("train")) == 4
    with pytest.raises(ConfigError, match=f'data-path = "{tmp_path}"'):
        task.rows("validation")
