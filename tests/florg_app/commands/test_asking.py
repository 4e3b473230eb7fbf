"""What a model has learned can be asked of it, whichever folder it is taken from, and the answers are its own."""

import json

import pytest
import torch
from typer.testing import CliRunner

from clients.generate import continuations
from florg_app.checkpoints.load_run import load_run
from florg_app.cli.main import app
from florg_app.exports.export import export_run
from scripts.make_tiny_vit import make
from tests.support.finished_runs import CPU, finished, saved
from tests.support.instructions import dolly, model_folder
from tests.support.pictures import write_folders

PAIRS = [("a red dog runs", "a dog runs"), ("a dog runs in a park", "an animal runs"), ("a cat sleeps", "a dog runs")]


def florg(*arguments, typed=None):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=typed)


def answered(*arguments, typed=None):
    """The rows that a command prints as JSON."""
    result = florg("predict", *arguments, "--json", typed=typed)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def texts(pairs=PAIRS):
    return [text for pair in pairs for text in pair]


@pytest.fixture(scope="module")
def pairs_run(tmp_path_factory):
    """A run of a classifier of pairs, exported both ways."""
    folder = tmp_path_factory.mktemp("pairs")
    run, assembly = finished(folder)
    for merged in (False, True):
        export_run(run, None, merged, CPU, print)
    return run, assembly


@pytest.fixture(scope="module")
def speaking_run(tmp_path_factory):
    """A run of a language model, exported both ways."""
    folder = tmp_path_factory.mktemp("speaking")
    (folder / "data").mkdir()
    dolly(folder / "data")
    model = str(model_folder(folder / "model", "llama"))
    keys = {"task.name": "dolly", "task.path": str(folder / "data"), "model.name": model, "task.max-new-tokens": 7}
    run, assembly = saved(folder, keys)
    for merged in (False, True):
        export_run(run, None, merged, CPU, print)
    return run, assembly


@pytest.mark.parametrize("place", ["", "adapter", "merged"])
def test_classes_and_probabilities_are_those_of_the_runs_logits_whatever_folder_they_come_from(place, pairs_run):
    run, assembly = pairs_run
    rows = assembly.preprocessor(*map(list, zip(*PAIRS, strict=True)), padding=True, return_tensors="pt")
    with torch.inference_mode():
        shares = load_run(run, CPU).assembly.adapted.model(**rows).logits.softmax(-1)
    found = answered(run / place, *texts())
    assert [(row["sentence1"], row["sentence2"]) for row in found] == PAIRS
    told = torch.tensor([[row["probabilities"][name] for name in ("false", "true")] for row in found])
    torch.testing.assert_close(told, shares, rtol=1e-4, atol=1e-4)
    assert [row["class"] for row in found] == [("false", "true")[number] for number in shares.argmax(-1)]
    assert [row["probability"] for row in found] == pytest.approx(told.max(-1).values.tolist())


def test_rows_are_words_a_file_or_lines_and_give_the_same(pairs_run, tmp_path):
    run, _ = pairs_run
    words = answered(run, *texts())
    lines = "".join(json.dumps({"sentence1": a, "sentence2": b}) + "\n" for a, b in PAIRS)
    (tmp_path / "rows.jsonl").write_text(lines)
    (tmp_path / "rows.csv").write_text("label,sentence2,sentence1\n" + "".join(f"1,{b},{a}\n" for a, b in PAIRS))
    asked = ("sentence1", "sentence2", "class", "probability")
    for found in (
        answered(run, tmp_path / "rows.jsonl"),
        answered(run, tmp_path / "rows.csv"),
        answered(run, typed=lines),
        answered(run, "-", typed=lines),
    ):
        assert [[row[name] for name in asked] for row in found] == [[row[name] for name in asked] for row in words]


def test_a_table_shows_what_was_asked_and_a_file_is_never_written_over(pairs_run, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    run, _ = pairs_run
    table = florg("predict", run, *texts()).stdout
    assert all(text in table for text in (*texts(), "sentence1", "class", "probability"))
    written = florg("predict", run, *texts(), "--output", tmp_path / "out.jsonl")
    assert written.stdout == f"wrote {tmp_path / 'out.jsonl'}: 3 rows\n"
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == answered(run, *texts())
    again = florg("predict", run, *texts(), "--output", tmp_path / "out.jsonl")
    assert (again.exit_code, "it is there already" in again.stderr) == (2, True)


@pytest.mark.parametrize("place", ["", "adapter", "merged"])
def test_responses_are_the_runs_own_continuations_and_a_chat_speaks_them_as_well(place, speaking_run):
    run, assembly = speaking_run
    prompt = "### Instruction:\nName a colour.\n\n### Response:\n"
    tokens = torch.tensor(assembly.preprocessor(prompt, add_special_tokens=False)["input_ids"])
    model = load_run(run, CPU).assembly.adapted.model
    ids = continuations(model, [tokens], 7, assembly.preprocessor.pad_token_id, {2})[0]
    response = assembly.preprocessor.decode(ids, skip_special_tokens=True).strip()
    assert response
    (found,) = answered(run / place, "Name a colour.")
    assert found == {"prompt": "Name a colour.", "response": response}
    (other,) = answered(run / place, typed=json.dumps({"instruction": "Name a colour.", "context": ""}))
    assert other["response"] == response
    chat = florg("chat", run / place, typed="Name a colour.\n/new\nName a colour.\n/quit\nName a colour.\n")
    assert chat.exit_code == 0, chat.output
    assert [line.strip() for line in chat.stdout.splitlines()].count(response) == 2
    shorter = answered(run / place, "Name a colour.", "--max-new-tokens", "3")[0]["response"]
    assert shorter == assembly.preprocessor.decode(ids[:3], skip_special_tokens=True).strip() != response


def test_a_chat_remembers_what_was_said_and_forgets_the_oldest_when_there_is_no_room(speaking_run):
    from florg_app.commands.chat import conversation_with
    from florg_app.commands.learned_model import load_learned

    run, _ = speaking_run
    talk = conversation_with(load_learned(run, CPU), None)
    said = []
    assert talk.say("Name a colour.", said.append) == 0
    assert "".join(said).strip() == talk.turns[-1]["content"]
    assert talk.say("Say hi.", said.append) in (0, 2)
    talk.turns = [{"role": role, "content": "many words " * 4} for role in ("user", "assistant")]
    before = talk.room
    assert talk.say("Add.", said.append) == 2
    assert [turn["role"] for turn in talk.turns] == ["user", "assistant"]
    with pytest.raises(ValueError, match=rf"this is \d+ tokens, and there is room for {before}; say less"):
        talk.say("word " * 200, said.append)
    assert talk.turns[0]["content"] == "Add."


@pytest.mark.parametrize("place", ["", "adapter", "merged"])
def test_images_are_asked_by_their_paths(place, tmp_path):
    write_folders(tmp_path / "data" / "train", 4)
    make(tmp_path / "model", 1)
    keys = {"task.name": "images", "task.path": str(tmp_path / "data"), "model.name": str(tmp_path / "model")}
    run, _ = saved(tmp_path, keys)
    if place:
        export_run(run, None, place == "merged", CPU, print)
    files = sorted((tmp_path / "data/train").glob("*/*"))[:2]
    found = answered(run / place, *files)
    assert [row["image"] for row in found] == list(map(str, files))
    assert all(row["class"] in {"blue", "green", "red"} for row in found)
    assert found[0]["probabilities"] != found[1]["probabilities"]
    gone = florg("predict", run / place, tmp_path / "nowhere.png")
    assert (gone.exit_code, "row 1: image is no file" in gone.stderr) == (2, True)


def test_words_of_a_context_answer_a_question(tmp_path):
    run, _ = finished(tmp_path, **{"task.name": "squad"})
    export_run(run, None, False, CPU, print)
    context = "a red dog runs in a park"
    for folder in (run, run / "adapter"):
        (found,) = answered(folder, "who runs", context)
        assert found["answer"]
        assert found["answer"] in context


def test_own_classes_keep_their_names_in_an_exported_folder_whose_rows_are_not_there(tmp_path):
    rows = tmp_path / "rows"
    rows.mkdir()
    (rows / "train.csv").write_text("text,label\n" + "a dog runs,well\nthe cat sleeps,ill\n" * 8)
    keys = {"task.name": "text", "task.path": str(rows), "evaluate.every": 0}
    run, _ = finished(tmp_path, **keys)
    export_run(run, tmp_path / "out", False, CPU, print)
    before = answered(run, "a red dog runs")
    for file in rows.iterdir():
        file.unlink()
    after = answered(tmp_path / "out", "a red dog runs")
    assert after[0]["probabilities"] == pytest.approx(before[0]["probabilities"], abs=1e-5)
    assert list(after[0]["probabilities"]) == ["ill", "well"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["one"], "1 texts, but a row has 2: sentence1, sentence2"),
        (["one", " "], "row 1: sentence2 is empty"),
        (["one", "two", "--max-new-tokens", "4"], "--max-new-tokens 4: this task answers with a class"),
        (["one", "two", "--device", "abacus"], "--device abacus: expected"),
        (["one", "two", "--best"], "holds no best.safetensors"),
        (["rows.csv"], "rows.csv: cannot be read: No such file"),
        (["one", "two", "--output", "nowhere/out.jsonl"], "--output nowhere/out.jsonl: there is no folder nowhere"),
    ],
)
def test_what_cannot_be_asked_is_said_with_status_2(words, problem, pairs_run):
    run, _ = pairs_run
    result = florg("predict", run, *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert problem in result.stderr


def test_a_row_that_lacks_a_column_and_a_broken_file_and_no_rows_are_named(pairs_run, tmp_path):
    run, _ = pairs_run
    (tmp_path / "rows.jsonl").write_text('{"sentence1": "a dog"}\n')
    (tmp_path / "broken.csv").write_text('sentence1,sentence2\na,"b\n')
    lacking = florg("predict", run, tmp_path / "rows.jsonl")
    assert (lacking.exit_code, "row 1: no sentence2; it has sentence1" in lacking.stderr) == (2, True)
    broken = florg("predict", run, tmp_path / "broken.csv")
    assert (broken.exit_code, "broken.csv: row 1:" in broken.stderr) == (2, True)
    nothing = florg("predict", run, typed="\n")
    assert (nothing.exit_code, "no rows; give texts, a file" in nothing.stderr) == (2, True)


@pytest.mark.parametrize("command", ["predict", "chat"])
def test_a_folder_that_is_none_of_ours_is_refused(command, tmp_path):
    result = florg(command, tmp_path)
    assert result.exit_code == 2
    assert "holds neither checkpoint.safetensors" in result.stderr


def test_only_a_language_model_converses(pairs_run):
    result = florg("chat", pairs_run[0])
    assert result.exit_code == 2
    assert 'task.name = "tiny": its model answers with a class' in result.stderr


def test_merge_writes_what_export_merged_writes(pairs_run, tmp_path):
    run, _ = pairs_run
    result = florg("merge", run, tmp_path / "whole")
    assert result.exit_code == 0, result.output
    assert "checked: reloaded" in result.stdout
    for file in ("model.safetensors", "config.json", "florg.toml"):
        assert (tmp_path / "whole" / file).read_bytes() == (run / "merged" / file).read_bytes()
    again = florg("merge", run, tmp_path / "whole")
    assert (again.exit_code, "exists already; choose another" in again.stderr) == (2, True)
