"""Conversations in every way that people write them become the same turns, or are refused in words."""

import gzip
import json

import pyarrow
import pytest
from pyarrow import parquet

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.tasks.registry import make_task
from tests.support.instructions import instruct_task

USER, SYSTEM = {"role": "user", "content": "Hi"}, {"role": "system", "content": "Be kind."}
SAID = [USER, {"role": "assistant", "content": "Hello"}]
EARLIER = [{"role": "user", "content": "One"}, {"role": "assistant", "content": "Two"}]
SHAREGPT = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
SKIP = {"task.bad-rows": "skip"}
NO_TOOLS = "which are not trained on; leave such rows out, or write calls and their results as text"


def read(folder, rows, **keys):
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "validation.jsonl").write_text(json.dumps(rows[0]) + "\n")
    return instruct_task(folder, "instruct", **keys)


def parts(text: str) -> list[dict]:
    return [{"type": "text", "text": text}]


WAYS = {
    "messages": ({"messages": SAID}, SAID),
    "messages as text": ({"messages": json.dumps(SAID)}, SAID),
    "content in parts": ({"messages": [{"role": t["role"], "content": parts(t["content"])} for t in SAID]}, SAID),
    "content in several parts": (
        {"messages": [{"role": "user", "content": [*parts("H"), "i"]}, SAID[1]]},
        SAID,
    ),
    "turns with further keys": ({"messages": [{**t, "name": None, "tool_calls": None} for t in SAID]}, SAID),
    "no calls of tools": ({"messages": [USER, {**SAID[1], "tool_calls": []}], "tools": "[]"}, SAID),
    "an empty system turn": ({"messages": [{"role": "system", "content": ""}, *SAID]}, SAID),
    "messages in the keys of ShareGPT": ({"messages": SHAREGPT}, SAID),
    "ShareGPT": ({"conversations": SHAREGPT}, SAID),
    "ShareGPT as text": ({"conversations": json.dumps(SHAREGPT)}, SAID),
    "ShareGPT with both kinds of keys": (
        {"conversations": [{**turn, "role": None, "content": None} for turn in SHAREGPT]},
        SAID,
    ),
    "ShareGPT in roles and contents": ({"conversations": SAID}, SAID),
    "ShareGPT with a system turn": (
        {"conversations": [{"from": "system", "value": "Be kind."}, *SHAREGPT]},
        [SYSTEM, *SAID],
    ),
    "ShareGPT with a system column": (
        {"conversations": SHAREGPT, "system": "Be kind.", "tools": None},
        [SYSTEM, *SAID],
    ),
    "other names of those who speak": (
        {"conversations": [{"from": "User", "value": "Hi"}, {"from": "chatgpt", "value": "Hello"}]},
        SAID,
    ),
    "Alpaca": ({"instruction": "Hi", "input": "", "output": "Hello"}, SAID),
    "Alpaca with a null": ({"instruction": "Hi", "input": None, "output": "Hello"}, SAID),
    "Alpaca without input": ({"instruction": "Hi", "output": "Hello"}, SAID),
    "Alpaca with system and history": (
        {"instruction": "Hi", "input": "", "output": "Hello", "system": "Be kind.", "history": [["One", "Two"]]},
        [SYSTEM, *EARLIER, *SAID],
    ),
    "prompt and completion": ({"prompt": "Hi", "completion": "Hello"}, SAID),
    "prompt and completion in turns": ({"prompt": [SYSTEM, USER], "completion": SAID[1:]}, [SYSTEM, *SAID]),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_turns_that_are_meant(way, tmp_path):
    row, turns = WAYS[way]
    assert read(tmp_path, [row, row]).rows("train")["turns"][:] == [turns, turns]


@pytest.mark.parametrize("name", ["train.json", "alpaca_data.json", "train.jsonl.gz", "train.json.gz"])
@pytest.mark.parametrize("way", ["Alpaca", "ShareGPT", "prompt and completion", "messages"])
def test_files_of_every_ending_are_read(way, name, tmp_path):
    row, turns = WAYS[way]
    text = json.dumps(row) + "\n" if "jsonl" in name else json.dumps([row, row], indent=1)
    content = text.encode() * (2 if "jsonl" in name else 1)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    rows = instruct_task(tmp_path, "instruct")
    assert [turn for split in ("train", "validation") for turn in rows.rows(split)["turns"]] == [turns, turns]


def test_a_file_by_itself_is_read_under_any_name(tmp_path):
    (tmp_path / "my-export.json").write_text(json.dumps([WAYS["ShareGPT"][0]] * 3))
    task = instruct_task(tmp_path / "my-export.json", "instruct")
    assert task.rows("train")["turns"][:] == [SAID, SAID]


@pytest.mark.parametrize(
    ("document", "turns"),
    [
        ({"version": "1.0", "data": [WAYS["Alpaca"][0]] * 2}, [SAID, SAID]),
        ({"instruction": ["Hi"] * 2, "output": ["Hello"] * 2}, [SAID, SAID]),
        ({"instruction": {"0": "Hi", "1": "Hi"}, "output": {"0": "Hello", "1": "Hello"}}, [SAID, SAID]),
    ],
)
def test_a_json_object_with_one_list_or_of_columns_is_read(document, turns, tmp_path):
    (tmp_path / "train.json").write_text(json.dumps(document))
    (tmp_path / "validation.json").write_text(json.dumps(WAYS["Alpaca"][0]) + "\n" + json.dumps(WAYS["Alpaca"][0]))
    task = instruct_task(tmp_path, "instruct")
    assert task.rows("train")["turns"][:] == task.rows("validation")["turns"][:] == turns


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (
            {"train": [{}], "test": [{}]},
            "is an object of several lists (train, test), and no telling which has the rows",
        ),
        ({"instruction": "Hi", "output": "Hello"}, "is one JSON object without a list; expected a list of objects"),
        ([1, 2], "row 1: is not a JSON object"),
        ("Hi", "is JSON of a single value; expected a list of objects"),
    ],
)
def test_other_json_is_refused_in_words(document, problem, tmp_path):
    (tmp_path / "train.json").write_text(json.dumps(document))
    with pytest.raises(ConfigError) as caught:
        instruct_task(tmp_path, "instruct").rows("train")
    assert f"train.json: {problem}" in str(caught.value).replace("no columns; ", "")


def test_json_that_is_cut_is_named_by_line_and_column(tmp_path):
    (tmp_path / "train.json").write_text(json.dumps([WAYS["Alpaca"][0]] * 2, indent=1)[:-9])
    with pytest.raises(ConfigError, match=r"train.json: is not JSON \(.*, line \d+, column \d+\)"):
        instruct_task(tmp_path, "instruct").rows("train")


def test_an_element_that_is_no_object_costs_itself_alone(tmp_path):
    (tmp_path / "train.json").write_text(json.dumps([WAYS["Alpaca"][0], 3, WAYS["Alpaca"][0], None, WAYS["Alpaca"][0]]))
    task = instruct_task(tmp_path, "instruct", **SKIP)
    assert sum(len(task.rows(split)) for split in ("train", "validation")) == 3
    assert task.skipped == {("train", "train.json"): 2}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [{"id": 1}]}, *SAID]}, NO_TOOLS),
        ({"messages": [*SAID, {"role": "tool", "content": "3"}, SAID[1]]}, f"has calls of tools in turn 3, {NO_TOOLS}"),
        ({"conversations": [*SHAREGPT, {"from": "observation", "value": "3"}, SHAREGPT[1]]},
         "has calls of tools in turn 3"),
        ({"conversations": SHAREGPT, "tools": '[{"name": "f"}]'}, f"has tools, {NO_TOOLS}"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}, SAID[1]]},
         "has a part of the type 'image_url' in turn 1, and texts alone are read"),
        ({"conversations": [{"who": "human", "says": "Hi"}, SHAREGPT[1]]},
         "has the keys 'who', 'says' in turn 1; expected role and content, or from and value"),
        ({"conversations": [{"from": "alien", "value": "Hi"}, SHAREGPT[1]]},
         "has the role 'alien' in turn 1, which is none of system, user, assistant"),
        ({"conversations": SHAREGPT[:1]}, "does not end with a turn of the assistant that answers another"),
        ({"conversations": [*SHAREGPT, SHAREGPT[0]]}, "does not end with a turn of the assistant"),
        ({"prompt": "Hi", "completion": " "}, "completion = ' ' is empty"),
        ({"prompt": [USER], "completion": [USER]}, "its conversation does not end with a turn of the assistant"),
        ({"messages": [SYSTEM, *SAID], "system": "Be rude."}, "has words of the system in a column and in a turn"),
        ({"instruction": "Hi", "output": "Hello", "history": [["One"]]}, "is not a list of pairs"),
        ({"messages": "[{'role': 'user'}]"}, "is not a list of"),
        ({"messages": [{"role": "user", "content": "\ud83d"}, SAID[1]]},
         "has a content in turn 1 that holds half of a surrogate"),
    ],
)  # fmt: skip
def test_a_conversation_that_cannot_be_trained_on_is_refused_by_row_or_left_out(row, problem, tmp_path):
    good = WAYS["ShareGPT" if "conversations" in row else "messages" if "messages" in row else "Alpaca"][0]
    good = {"prompt": "Hi", "completion": "Hello"} if "prompt" in row else good
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, [good, row]).rows("train")
    assert "train.jsonl: row 2: " in str(caught.value)
    assert problem in str(caught.value)
    task = read(tmp_path, [good, row], **SKIP)
    assert task.rows("train")["turns"][:] == [SAID]
    assert task.skipped["train", "train.jsonl"] == 1


def test_a_key_that_a_turn_has_twice_is_refused(tmp_path):
    (tmp_path / "train.jsonl").write_text(
        '{"messages": [{"role": "user", "content": "a", "content": "b"}, {"role": "assistant", "content": "c"}]}\n'
    )
    with pytest.raises(
        ConfigError, match=r"has a content in turn 1 that is there 2 times \(keys 2 and 3 of its object\)"
    ):
        instruct_task(tmp_path, "instruct").rows("train")


def test_what_the_server_learns_of_a_private_conversation_quotes_nothing(tmp_path):
    secret = "Jane Roe"
    rows = [
        {"messages": [{"role": secret, "content": secret}, SAID[1]]},
        {"messages": [{secret: 1}, SAID[1]]},
        {"messages": [{"role": "user", "content": [{"type": secret}]}, SAID[1]]},
    ]
    for row in rows:
        (tmp_path / "train.jsonl").write_text(json.dumps(row) + "\n")
        with pytest.raises(ConfigError) as caught:
            make_task(parse_settings({"task.name": "instruct"}), tmp_path).rows("train")
        assert "train.jsonl: row 1: messages has " in str(caught.value)
        assert secret not in str(caught.value)


def test_the_files_of_clients_need_not_be_written_in_one_way(tmp_path):
    for number, way in enumerate(("Alpaca", "ShareGPT", "messages")):
        (tmp_path / f"client-{number}.jsonl").write_text((json.dumps(WAYS[way][0]) + "\n") * 2)
    task = make_task(parse_settings({"task.name": "instruct", "task.client-files": str(tmp_path)}))
    rows = task.rows("train")
    assert rows["turns"][:] == [SAID] * 6
    assert rows["client-file"][:] == [0, 0, 1, 1, 2, 2]


def test_conversations_in_parquet_files_are_read_with_the_nulls_that_arrow_fills_in(tmp_path):
    turns = [[{"from": "human", "value": "Hi", "weight": None}, {"from": "gpt", "value": "Hello", "weight": 1}]] * 3
    parquet.write_table(pyarrow.table({"conversations": turns, "tools": [None, "", "[]"]}), tmp_path / "train.parquet")
    rows = instruct_task(tmp_path, "instruct", **{"task.validation-share": 0.3}).rows("train")
    assert rows["turns"][:] == [SAID, SAID]
