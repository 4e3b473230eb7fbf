"""Files of a split: found by their names, and never half of them, nor two readings of one."""

import pytest

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.tasks.files import folder as folders
from florg_app.tasks.registry import make_task
from tests.support.local_data import ROWS, local_task, write
from tests.support.pictures import image_task, write_folders


def complaint(folder, split="train") -> str:
    with pytest.raises(ConfigError) as caught:
        local_task(folder).rows(split)
    return str(caught.value)


def test_a_missing_shard_is_missed(tmp_path):
    for shard in (0, 2):
        write(tmp_path / f"train-0000{shard}-of-00003.parquet", ROWS)
    assert "2 of 3 shards are there: train-00000-of-00003.parquet, train-00002-of-00003.parquet" in complaint(tmp_path)


def test_a_file_beside_its_own_shards_is_a_choice(tmp_path):
    write(tmp_path / "train.csv", ROWS)
    write(tmp_path / "train-00000-of-00001.csv", ROWS)
    assert "several files for train: train-00000-of-00001.csv, train.csv; leave one" in complaint(tmp_path)


def test_a_file_beside_its_packed_copy_is_a_choice(tmp_path):
    write(tmp_path / "train.csv", ROWS)
    (tmp_path / "train.csv.gz").write_bytes(b"")
    assert "several files for train: train.csv, train.csv.gz; leave one" in complaint(tmp_path)


@pytest.mark.parametrize("name", ["train.xlsx", "train.txt", "train.arrow", "train.csv.zip"])
def test_a_file_of_another_format_is_named_with_what_to_do(name, tmp_path):
    (tmp_path / name).write_bytes(b"x")
    message = complaint(tmp_path)
    assert "no file for train: expected one of train, train_subset with suffix .parquet, .csv" in message
    assert f"{name} cannot be read, save it in one of these formats" in message


def test_endings_are_found_in_letters_of_any_case(tmp_path):
    write(tmp_path / "train.csv", ROWS)
    (tmp_path / "train.csv").rename(tmp_path / "train.CSV")
    assert len(local_task(tmp_path).rows("train")) == 4


def test_the_classes_of_images_are_found_in_folders_of_any_known_name(tmp_path):
    write_folders(tmp_path / "Training", 2)
    write_folders(tmp_path / "Testing", 1)
    task = image_task(tmp_path)
    assert task.label_names == ("blue", "green", "red")
    assert [len(task.rows(split)) for split in ("train", "validation")] == [6, 3]


@pytest.mark.parametrize("name", ["text", "instruct", "images"])
def test_a_file_is_read_once_for_its_classes_its_columns_and_its_rows(name, tmp_path, monkeypatch):
    if name == "images":
        write_folders(tmp_path / "train", 2)
    else:
        rows = {"text": ["a", "b"], "label": ["x", "y"]}
        write(tmp_path / "train.csv", rows if name == "text" else {"instruction": ["a", "b"], "output": ["c", "d"]})
    read, original = [], folders.read_file
    monkeypatch.setattr(folders, "read_file", lambda path, *more: read.append(path.name) or original(path, *more))
    task = make_task(parse_settings({"task.name": name, "task.path": str(tmp_path)}))
    assert len(task.rows("train")) > 0
    assert len(read) == 1


def test_a_file_is_read_anew_for_rows_that_are_asked_for_again(tmp_path):
    write(tmp_path / "train.csv", {"text": ["a", "b"], "label": ["x", "y"]})
    task = local_task(tmp_path, "text")
    first = task.rows("train")["text"][:]
    write(tmp_path / "train.csv", {"text": ["c", "d"], "label": ["x", "y"]})
    assert (first, task.rows("train")["text"][:]) == (["a", "b"], ["c", "d"])
