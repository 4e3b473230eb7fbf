"""Rows of instructions: every way to write them, what is refused, and which of them are for validation."""

import json

import datasets
import pytest
from datasets import Dataset

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.tasks.registry import make_task
from tests.support.instructions import DOLLY, instruct_task
from tests.support.local_data import write

TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def instruct(folder, rows, **keys):
    folder.joinpath("train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder.joinpath("validation.jsonl").write_text(json.dumps(rows[0]) + "\n")
    return instruct_task(folder, "instruct", **keys)


@pytest.mark.parametrize(
    ("row", "user"),
    [
        ({"instruction": "Add.", "input": "1, 2", "output": "3"}, "Add.\n\n1, 2"),
        ({"instruction": "Add.", "input": "", "output": "3"}, "Add."),
        ({"instruction": "Add.", "output": "3"}, "Add."),
        ({"messages": [{"role": "user", "content": "Add."}, {"role": "assistant", "content": "3"}]}, "Add."),
    ],
)
def test_every_way_to_write_a_row_gives_the_same_turns(row, user, tmp_path):
    turns = instruct(tmp_path, [row, row]).rows("train")["turns"][0]
    assert turns == [{"role": "user", "content": user}, {"role": "assistant", "content": "3"}]


def test_the_last_turn_of_a_conversation_is_the_response(tmp_path):
    long = [{"role": "system", "content": "Be kind."}, *TURNS, *TURNS]
    assert instruct(tmp_path, [{"messages": long}, {"messages": TURNS}]).rows("train")["turns"][:] == [long, TURNS]


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ("Hi", "is not a list"),
        (TURNS[:1], "does not end with a turn of the assistant"),
        (TURNS[1:], "does not end with a turn of the assistant that answers another"),
        ([{"role": "robot", "content": "a"}, TURNS[1]], "has the role 'robot' in turn 1"),
        ([TURNS[0], {"role": "assistant", "content": " "}], "has a content in turn 2 that is empty"),
    ],
)
def test_a_broken_conversation_is_named_or_left_out(messages, problem, tmp_path):
    rows = [{"messages": TURNS}, {"messages": messages}]
    with pytest.raises(ConfigError, match=r"train.jsonl: row 2: messages = .*") as caught:
        instruct(tmp_path, rows).rows("train")
    assert problem in str(caught.value)
    task = instruct(tmp_path, rows, **{"task.bad-rows": "skip"})
    assert len(task.rows("train")) == 1
    assert task.skipped["train", "train.jsonl"] == 1


def test_other_columns_are_answered_with_those_that_are_expected(tmp_path):
    with pytest.raises(
        ConfigError,
        match=r"columns are ask, say; expected messages or conversations or instruction, output or prompt, completion",
    ):
        instruct(tmp_path, [{"ask": "a", "say": "b"}]).rows("train")


def test_without_a_validation_file_a_share_of_the_training_rows_is_for_validation(tmp_path):
    rows = {"instruction": [f"say {n}" for n in range(40)], "output": [f"{n}" for n in range(40)]}
    write(tmp_path / "train.csv", rows)
    (train, validation), again = (
        [instruct_task(tmp_path, "instruct", **{"task.validation-share": 0.1}).rows(s) for s in ("train", "validation")]
        for _ in range(2)
    )
    assert validation["turns"][:] == again[1]["turns"][:]
    responses = [{turns[1]["content"] for turns in part["turns"]} for part in (train, validation)]
    assert [len(part) for part in responses] == [36, 4]
    assert responses[0] | responses[1] == set(rows["output"])
    other = instruct_task(tmp_path, "instruct", seed=2, **{"task.validation-share": 0.1}).rows("validation")
    assert other["turns"][:] != validation["turns"][:]


def test_private_rows_are_all_for_training(tmp_path):
    write(tmp_path / "train.jsonl", DOLLY)
    assert len(make_task(parse_settings({"task.name": "dolly"}), data_path=tmp_path).rows("train")) == 4


def test_rows_of_the_hub_without_a_response_are_none(monkeypatch):
    rows = {
        "question": ["a?", "b?", "c?"],
        "answer": ["A", None, "C"],
        "question_type": ["x", "y", "x"],
        "url": ["", "", ""],
    }
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: Dataset.from_dict(rows))
    task = make_task(parse_settings({"task.name": "medquad"}))
    found = [row for split in ("train", "validation") for row in task.rows(split)["turns"]]
    assert sorted(turns[1]["content"] for turns in found) == ["A", "C"]
    assert task.rows("train")["question_type"][:] == ["x"]


def test_own_instructions_have_to_be_somewhere():
    with pytest.raises(ConfigError, match=r'task.path = "".*"instruct" reads your own files'):
        make_task(parse_settings({"task.name": "instruct"})).rows("validation")


def test_answers_of_medquad_lose_the_layout_of_the_pages_they_are_from(tmp_path):
    answers = ["Key  Points\n\t  - One.\n \n  - Two. ", "Three."] * 2
    rows = {"question": ["What?", "Who?"] * 2, "answer": answers, "question_type": ["symptoms"] * 4}
    for split in ("train", "validation"):
        write(tmp_path / f"{split}.jsonl", rows)
    turns = instruct_task(tmp_path, "medquad").rows("train")["turns"][:]
    assert [turn[-1]["content"] for turn in turns][:2] == ["Key Points\n- One.\n\n- Two.", "Three."]
