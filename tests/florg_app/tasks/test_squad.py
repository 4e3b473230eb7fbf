"""SQuAD: rows of both published forms, windows, batches, training of encoders and decoders, answers as text."""

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForQuestionAnswering, PreTrainedTokenizerFast

from clients.architectures import Head
from clients.backbone import load_model
from clients.predict import predict
from florg_app.config.parse import ConfigError, parse_settings
from florg_app.tasks.registry import make_task
from florg_app.tasks.squad.rows import question_word
from florg_app.tasks.squad.task import Squad
from tests.support.local_data import write
from tests.support.tiny_models import tiny_config
from tests.support.word_tokenizer import word_tokenizer

CONTEXT = "a b c d e f g h i j k l m n o p"
QUESTIONS = [("who a ?", "d e", 6), ("When b ?", "h i j", 14)]
"""Question, answer, its first character in CONTEXT."""
HUB_ROWS = {
    "id": ["1", "2"],
    "title": ["t", "t"],
    "context": [CONTEXT] * 2,
    "question": [question for question, _, _ in QUESTIONS],
    "answers": [{"text": [answer], "answer_start": [start]} for _, answer, start in QUESTIONS],
}


def squad(folder: Path, **keys: int | str) -> Squad:
    task = make_task(parse_settings({"task.name": "squad", "task.path": str(folder), "task.stride": 2, **keys}))
    assert isinstance(task, Squad)
    return task


def nested(*answers: dict) -> str:
    """The official file, with the same answers to each question."""
    known = [list(answers) or [{"text": answer, "answer_start": start}] for _, answer, start in QUESTIONS]
    qas = [{"id": q, "question": q, "answers": own} for (q, _, _), own in zip(QUESTIONS, known, strict=True)]
    return json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": CONTEXT, "qas": qas}]}]})


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return word_tokenizer("abcdefghijklmnop", ends=True)


@pytest.fixture
def task(tmp_path: Path) -> Squad:
    (tmp_path / "train-v1.1.json").write_text(nested())
    return squad(tmp_path)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions of at most three tokens, so that small windows have room for a context."""
    for module in ("task", "windows"):
        monkeypatch.setattr(f"florg_app.tasks.squad.{module}.MAX_QUESTION", 3)


def test_the_official_file_and_the_hubs_columns_give_the_same_rows(task, tmp_path, monkeypatch):
    official = task.rows("train").to_dict()
    (tmp_path / "train-v1.1.json").unlink()
    write(tmp_path / "train.parquet", HUB_ROWS)
    assert squad(tmp_path).rows("train").to_dict() == official
    monkeypatch.setattr(datasets, "load_dataset", lambda path, name, split: Dataset.from_dict(HUB_ROWS))
    assert make_task(parse_settings({"task.name": "squad"})).rows("train").to_dict() == official
    assert official["question-word"] == ["who", "when"]


def test_the_kind_of_a_question_is_its_first_interrogative():
    assert [question_word(q) for q in ("In WHAT year?", "Whose?", "Name one.")] == ["what", "whose", "other"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (nested({"text": "d e", "answer_start": 7}), "row 1: answers: 'd e' is not at character 7 of the context"),
        ("[]", "no column question, context, answers"),
        ('{"data": [', "is not SQuAD's nested JSON"),
        (
            json.dumps({"data": [{"paragraphs": [{"context": "a", "qas": [{"question": "b", "answers": []}]}]}]}),
            "SQuAD v2",
        ),
    ],
)
def test_what_is_not_squad_is_named(text, problem, tmp_path):
    (tmp_path / "train.json").write_text(text)
    with pytest.raises(ConfigError, match=r"train\.json: ") as caught:
        squad(tmp_path).rows("train")
    assert problem in str(caught.value)


def test_a_question_that_is_broken_costs_itself_alone(tmp_path):
    document = json.loads(nested())
    qas = document["data"][0]["paragraphs"][0]["qas"]
    qas.insert(1, {"id": "3", "question": "Which?"})
    document["data"].append({"title": "no paragraphs"})
    (tmp_path / "train.json").write_text(json.dumps(document))
    problem = (
        r"train.json: row 2: \(article 1, paragraph 1, question 2\) is not SQuAD's nested JSON.*1 more rows of 4 are"
    )
    with pytest.raises(ConfigError, match=problem):
        squad(tmp_path).rows("train")
    task = squad(tmp_path, **{"task.bad-rows": "skip"})
    assert task.rows("train")["question"][:] == [question for question, _, _ in QUESTIONS]


@pytest.mark.parametrize(
    "answers",
    [
        {"text": ["d e"], "answer_start": [6.0]},
        {"text": ["d e"], "answer_start": ["6"]},
        [{"text": "d e", "answer_start": 6}],
        '{"text": ["d e"], "answer_start": [6]}',
    ],
)
def test_answers_are_read_in_every_way_to_write_them(answers, tmp_path):
    write(tmp_path / "train.jsonl", {"question": ["who a ?"], "context": [CONTEXT], "answers": [answers]})
    assert squad(tmp_path).rows("train")["answers"][:] == [{"text": ["d e"], "answer_start": [6]}]


@pytest.mark.usefixtures("short")
def test_windows_overlap_by_the_stride_and_every_answer_is_whole_in_one(task, tokenizer):
    features = task.features(task.rows("train"), tokenizer, max_length=12)
    contexts = [window["offsets"][:, 0][window["offsets"][:, 1] > 0] // 2 for window in features if window["row"] == 0]
    assert [places.tolist() for places in contexts] == [[*range(6)], [*range(4, 10)], [*range(8, 14)], [*range(12, 16)]]
    for row, (_, answer, _) in enumerate(QUESTIONS):
        held = [window for window in features if window["row"] == row and window["end_positions"]]
        assert held
        for window in held:
            first, last = (window["offsets"][window[f"{end}_positions"]] for end in ("start", "end"))
            assert CONTEXT[first[0] : last[1]] == answer
    absent = [window for window in features if not window["end_positions"]]
    assert {window["start_positions"] for window in absent} == {0}


def test_a_stride_that_leaves_no_progress_is_refused(task, tokenizer):
    with pytest.raises(ConfigError, match=r"task.stride = 2: .*64 tokens, task.max-length = 69"):
        task.features(task.rows("train"), tokenizer, max_length=69)


@pytest.mark.usefixtures("short")
def test_batches_are_padded_on_the_right_so_that_answers_stay_where_they_are(task, tokenizer):
    tokenizer.padding_side = "left"
    features = task.features(task.rows("train"), tokenizer, max_length=12)
    batch = task.collate(tokenizer)([features[0], features[3]])
    assert batch["attention_mask"].tolist() == [[1] * 12, [1] * 10 + [0] * 2]
    assert batch["start_positions"].tolist() == [w["start_positions"] for w in (features[0], features[3])]
    assert set(batch) == {"input_ids", "attention_mask", "start_positions", "end_positions"}


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", ["bert", "roberta", "llama", "gpt2", "opt"])
def test_encoders_and_decoders_learn_to_point_at_the_answer(family, side, task, tokenizer, tmp_path):
    AutoModelForQuestionAnswering.from_config(tiny_config(family)).save_pretrained(tmp_path / "m")
    model = load_model(str(tmp_path / "m"), Head("question-answering", 2), "float32", head_seed=1).model
    tokenizer.padding_side = side
    features = task.features(task.rows("train").select([0]), tokenizer, max_length=12)
    batch = task.collate(tokenizer)(list(features))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(250):
        optimizer.zero_grad()
        task.loss(model, batch).backward()
        optimizer.step()
    predictions = predict(model, features, task.collate(tokenizer), task.predict, 3, torch.device("cpu"))
    assert [len(row) for row in predictions] == [len(window["input_ids"]) for window in features]
    scores = task.score(predictions, features)
    assert (scores["exact-match"], scores["f1"]) == (100.0, 100.0)
    assert scores["loss"] < 0.5 < np.log(12)  # of a guess among the 12 tokens


@pytest.mark.usefixtures("short")
def test_the_best_window_of_a_row_answers_for_it(task, tokenizer):
    features = task.features(task.rows("train"), tokenizer, max_length=12)
    predictions = [torch.zeros(len(window["input_ids"]), 2) for window in features]
    wrong = next(place for place, window in enumerate(features) if not window["end_positions"])
    predictions[wrong][5] = 3.0
    for window, logits in zip(features, predictions, strict=True):
        if window["end_positions"]:
            logits[window["start_positions"], 0] = logits[window["end_positions"], 1] = 4.0
    scores = task.score(predictions, features)
    assert (scores["exact-match"], scores["f1"]) == (100.0, 100.0)
    predictions[wrong][5] = 5.0
    assert task.score(predictions, features)["exact-match"] == 50.0


@pytest.mark.usefixtures("short")
def test_the_loss_of_a_batch_is_that_of_its_windows_without_padding(task, tokenizer):
    features = task.features(task.rows("train"), tokenizer, max_length=12)
    torch.manual_seed(0)
    model = AutoModelForQuestionAnswering.from_config(tiny_config("bert", 2)).eval()
    collate = task.collate(tokenizer)
    alone = [task.loss(model, collate([window])).item() for window in features]
    assert task.loss(model, collate(list(features))).item() == pytest.approx(np.mean(alone), rel=1e-4)
