"""`text` and `text-pair`: a user's own columns and classes, the same on all nodes."""

import pytest

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.engines import inline
from florg_app.reports.history import read_history
from florg_app.tasks.registry import make_task
from strategies.exchange.wire import ADVICE
from tests.support.local_data import cells_of, local_task, write

REVIEWS = {"id": [1, 2, 3, 4], "review": ["good", "bad", "fine", "poor"], "stars": ["up", "down", "level", "down"]}
COLUMNS = {"task.text-columns": "review", "task.label-column": "stars"}


def reviews(folder, name: str = "text", **keys):
    return local_task(folder, name, **COLUMNS, **keys)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_classes_are_found_in_the_training_file_and_numbered_in_alphabetical_order(suffix, tmp_path):
    write(tmp_path / f"train.{suffix}", REVIEWS)
    task = reviews(tmp_path)
    assert task.label_names == ("down", "level", "up")
    assert cells_of(task.rows("train")) == {"review": REVIEWS["review"], "stars": [2, 0, 1, 0]}
    assert (task.head.num_labels, task.partition_column) == (3, "stars")
    assert task.answer.metrics == ("accuracy", "macro-f1")


def test_the_validation_file_has_the_classes_of_the_training_file(tmp_path):
    write(tmp_path / "train.csv", REVIEWS)
    write(tmp_path / "validation.csv", {"review": ["so so"], "stars": ["up"]})
    assert reviews(tmp_path).rows("validation")["stars"][:] == [2]


def test_numbers_are_names_and_in_the_order_of_their_size(tmp_path):
    write(tmp_path / "train.jsonl", {**REVIEWS, "stars": [10, 2, 10, 1]})
    task = reviews(tmp_path)
    assert task.label_names == ("1", "2", "10")
    assert task.rows("train")["stars"][:] == [2, 1, 2, 0]


def test_pairs_have_two_text_columns(tmp_path):
    write(tmp_path / "train.csv", {"text1": ["a", "b"], "text2": ["c", "d"], "label": ["no", "yes"]})
    task = local_task(tmp_path, "text-pair")
    assert cells_of(task.rows("train")) == {"text1": ["a", "b"], "text2": ["c", "d"], "label": [0, 1]}
    assert task.answer.metrics == ("accuracy", "f1")


@pytest.mark.parametrize(
    ("name", "columns"), [("text", "a, b"), ("text-pair", "a"), ("text-pair", "a, a"), ("text", "label")]
)
def test_another_number_of_text_columns_is_refused(name, columns, tmp_path):
    with pytest.raises(ConfigError, match=r"task.text-columns = "):
        local_task(tmp_path, name, **{"task.text-columns": columns, "task.labels": "x, y"})


@pytest.mark.parametrize("labels", ["one", "one, one"])
def test_class_names_that_make_no_choice_are_refused(labels, tmp_path):
    with pytest.raises(ConfigError, match=r"at least two names, all different"):
        reviews(tmp_path, **{"task.labels": labels})


def test_a_training_file_of_one_class_is_refused(tmp_path):
    write(tmp_path / "train.csv", {**REVIEWS, "stars": ["up"] * 4})
    with pytest.raises(ConfigError, match=r"train.csv: column stars has 1 class"):
        reviews(tmp_path)


def test_a_label_that_the_others_do_not_know_is_named_with_file_row_the_known_ones_and_the_remedy(tmp_path):
    write(tmp_path / "train.csv", REVIEWS)
    keys = {"task.name": "text", **COLUMNS, "task.labels": "up, down"}
    with pytest.raises(ConfigError) as caught:
        make_task(parse_settings(keys), data_path=tmp_path).rows("train")
    for words in (
        f'data-path = "{tmp_path}"',
        "train.csv: row 3: stars is none of",
        "up, down",
        "add it to task.labels",
    ):
        assert words in str(caught.value)


def test_classes_of_private_files_have_to_be_given(tmp_path):
    write(tmp_path / "train.csv", REVIEWS)
    with pytest.raises(ConfigError, match=r'task.labels = "".*cannot find its classes in private files'):
        make_task(parse_settings({"task.name": "text", **COLUMNS}), data_path=tmp_path)
    given = parse_settings({"task.name": "text", **COLUMNS, "task.labels": "up, level, down"})
    assert make_task(given, data_path=tmp_path).rows("train")["stars"][:] == [0, 2, 1, 2]
    server = make_task(given)
    assert server.label_names == ("up", "level", "down")
    with pytest.raises(ConfigError, match=r"set task.path .* or evaluate.every = 0"):
        server.rows("validation")


def test_without_files_and_class_names_the_path_is_asked_for():
    with pytest.raises(ConfigError, match=r'task.path = "".*reads your own files'):
        make_task(parse_settings({"task.name": "text"}))


def test_settings_of_these_tasks_are_refused_elsewhere():
    with pytest.raises(ConfigError, match=r'task.labels is read by text \| text-pair \| images, but .*"tiny"'):
        make_task(parse_settings({"task.labels": "a, b"}))


def test_three_classes_are_learned_from_a_users_own_file(tmp_path):
    words = {"red": "a red dog runs", "blue": "a blue dog runs", "tiny": "a tiny dog runs"}
    rows = {"text": [*words.values()] * 20, "label": [*words] * 20}
    write(tmp_path / "train.csv", rows)
    write(tmp_path / "validation.csv", {name: column[:6] for name, column in rows.items()})
    files = {"task.name": "text", "task.path": str(tmp_path), "output-dir": str(tmp_path / "run")}
    inline.run_in_process(
        {**files, "num-server-rounds": 2, "train.epochs": 3, "client.threads": 1, "partition.name": "iid"}, 2
    )
    first, *_, last = read_history(tmp_path / "run")
    assert last["evaluation"]["loss"] < first["evaluation"]["loss"]
    assert last["evaluation"].keys() == {"accuracy", "macro-f1", "loss"}
    assert "task.labels" in ADVICE["classes"]
