"""Rows that a model has no positions or embeddings for are found by file and row, and are bad rows like others."""

import json

import pytest
from datasets import Dataset

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.data.features import ClientDatasets
from florg_app.data.row_limits import RowLimits
from florg_app.tasks.registry import make_task
from tests.florg_app.tasks.test_squad import CONTEXT
from tests.support.instructions import byte_tokenizer
from tests.support.local_data import write
from tests.support.word_tokenizer import word_tokenizer

WORDS = "abcdefghijklmnop"
SKIP = {"task.bad-rows": "skip"}


def datasets_of(folder, tokenizer, limits: RowLimits, name: str = "text", **keys) -> ClientDatasets:
    settings = parse_settings({"task.name": name, "task.path": str(folder), "partition.min-size": 1, **keys})
    return ClientDatasets(make_task(settings), tokenizer, settings, limits=limits)


@pytest.fixture
def folder(tmp_path):
    """The third row is longer, the fifth has the word with the largest number."""
    texts = ["a b", "c d", "a b c d e", "b a", "a p", "d c"]
    for split in ("train", "validation"):
        write(tmp_path / f"{split}.csv", {"text": texts, "label": ["x", "y"] * 3})
    return tmp_path


CASES = {
    "positions": (RowLimits(positions=4), 3, "becomes 5 tokens, and model.name has 4 positions; lower task.max-length"),
    "tokens": (
        RowLimits(tokens=10),
        5,
        "becomes token 17, and model.name has embeddings of 10 tokens, numbered from 0",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_row_beyond_the_model_is_named_in_training_and_validation(case, folder):
    limits, row, problem = CASES[case]
    data = datasets_of(folder, word_tokenizer(WORDS), limits, **{"partition.name": "iid"})
    for split, read in {
        "train": lambda: [data.client(c, 2) for c in (0, 1)],
        "validation": lambda: data.validation,
    }.items():
        with pytest.raises(ConfigError) as caught:
            read()
        assert f"{split}.csv: row {row}: {problem}" in str(caught.value)
        assert 'or set task.bad-rows = "skip" to leave it out' in str(caught.value)


@pytest.mark.parametrize("case", CASES)
def test_a_row_beyond_the_model_is_left_out_and_counted_once(case, folder):
    limits, row, _ = CASES[case]
    data = datasets_of(folder, word_tokenizer(WORDS), limits, **{"partition.name": "iid", **SKIP})
    assert sum(len(data.client(client, 2).train) for client in (0, 1)) == 5
    assert [example["row"] + 1 for example in data.validation] == [n for n in range(1, 7) if n != row]
    assert (data.skipped("train"), data.skipped("validation")) == (1, 1)


def test_all_windows_of_a_row_beyond_the_model_go_with_it(tmp_path, monkeypatch):
    for module in ("task", "windows"):
        monkeypatch.setattr(f"florg_app.tasks.squad.{module}.MAX_QUESTION", 3)
    contexts = [CONTEXT, CONTEXT.replace("k", "p"), CONTEXT.replace("p", "a")]
    answers = [{"text": ["d e"], "answer_start": [6]}] * 3
    write(tmp_path / "validation.jsonl", {"question": ["who a"] * 3, "context": contexts, "answers": answers})
    keys = {"task.max-length": 12, "task.stride": 2, **SKIP}
    data = datasets_of(tmp_path, word_tokenizer(WORDS, ends=True), RowLimits(tokens=17), "squad", **keys)
    with pytest.raises(ConfigError, match="none of 3 rows can be used"):
        _ = data.validation  # the end token is beyond as well
    data = datasets_of(tmp_path, word_tokenizer(WORDS), RowLimits(tokens=17), "squad", **keys)
    assert {example["row"] for example in data.validation} == {2}
    assert data.skipped("validation") == 2


def test_rows_of_conversations_have_limits_too(tmp_path):
    rows = [{"instruction": "Say", "output": word} for word in ("a", "a" * 50, "b")]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "validation.jsonl").write_text(json.dumps(rows[0]) + "\n")
    data = datasets_of(tmp_path, byte_tokenizer(), RowLimits(positions=60), "instruct", **{"partition.name": "iid"})
    with pytest.raises(ConfigError, match=r"train.jsonl: row 2: becomes \d+ tokens, and model.name has 60 positions"):
        data.client(0, 1)


def test_what_is_kept_on_disk_is_held_against_the_limits_of_every_model(folder, tmp_path):
    write(tmp_path / "train.csv", {"text": ["a b"] * 999 + ["a b c d e"], "label": ["x", "y"] * 500})
    cache = {"task.cache": str(tmp_path / "cache"), "partition.name": "iid", "task.labels": "x,y"}
    wide = datasets_of(tmp_path, word_tokenizer(WORDS), RowLimits(positions=8), **cache)
    assert len(wide.client(0, 1).train) == 1000
    assert len(list((tmp_path / "cache").iterdir())) == 1
    narrow = datasets_of(tmp_path, word_tokenizer(WORDS), RowLimits(positions=4), **cache)
    with pytest.raises(ConfigError, match=r"train.csv: row 1000: becomes 5 tokens"):
        narrow.client(0, 1)


def test_rows_that_lack_one_left_out_are_never_kept_on_disk(tmp_path):
    """A second process would find them, and count nothing."""
    rows = {"text": ["a b"] * 1000, "label": ["x", "y"] * 500}
    write(tmp_path / "train.csv", rows)
    keys = {"task.cache": str(tmp_path / "cache"), "partition.name": "iid", **SKIP}
    data = datasets_of(tmp_path, word_tokenizer(WORDS), RowLimits(), **keys)
    task = data._task
    make = task.features

    def lacking(rows: Dataset, tokenizer, length):
        from florg_app.tasks.files.wording import DataError

        if len(rows):
            task.bad_rows.refuse_at(rows, 3, DataError("cannot be tokenised"))
        return make(rows, tokenizer, length)

    object.__setattr__(task, "features", lacking)
    for number in (1, 2):  # the second time it is no new row that is left out
        data.client(0, number)
        assert not (tmp_path / "cache").exists()


def test_embedded_rows_know_no_file():
    settings = parse_settings({"task.max-train-rows": 16, "partition.name": "iid", "partition.min-size": 1})
    task = make_task(settings)
    from florg_app.tasks.tiny.embedded import load_embedded_tokenizer

    data = ClientDatasets(task, load_embedded_tokenizer(), settings, limits=RowLimits(positions=2))
    with pytest.raises(ConfigError, match=r"row 1 of 16: becomes \d+ tokens"):
        data.client(0, 1)
