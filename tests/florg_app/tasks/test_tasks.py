"""Tasks: where rows come from, tokens, padding, loss and score by hand."""

import math
from types import SimpleNamespace

import datasets
import pytest
import torch
from datasets import ClassLabel, Dataset
from torch import nn
from transformers import PreTrainedTokenizerFast

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.tasks.base import ROW
from florg_app.tasks.registry import TASKS, make_task
from florg_app.tasks.text.labelled_text import LabelledText
from tests.support.local_data import ROWS, cells_of, local_task, write
from tests.support.word_tokenizer import word_tokenizer


def test_max_rows_take_a_sample_that_depends_on_the_seed_alone(tmp_path):
    numbers = [str(number) for number in range(100)]
    for stem in ("train", "validation"):
        write(tmp_path / f"{stem}.csv", {"sentence": numbers, "label": [0] * 100})

    def sample(**keys: int) -> list[int]:
        keys = {"task.max-train-rows": 20, **keys}
        return [int(text) for text in local_task(tmp_path, "glue/sst2", **keys).rows("train")["sentence"]]

    assert sample() == sample() == sorted(set(sample()))
    assert len(sample()) == 20
    assert sample() != sample(seed=2)
    assert sample(**{"task.max-train-rows": 1000}) == list(range(100))
    assert len(local_task(tmp_path, "glue/sst2", **{"task.max-train-rows": 20}).rows("validation")) == 100


def test_an_unknown_task_is_answered_with_all_there_are():
    with pytest.raises(ConfigError, match=r'task.name = "glue/ax": expected tiny \| glue/cola \|') as caught:
        make_task(parse_settings({"task.name": "glue/ax"}))
    assert [name for name in TASKS if name not in str(caught.value)] == []


def test_rows_come_from_the_hub_where_no_path_is_given(monkeypatch):
    def load_dataset(path: str, name: str, split: str) -> Dataset:
        assert (path, name) == ("nyu-mll/glue", "mnli")
        rows = Dataset.from_dict({"premise": [split], "hypothesis": ["b"], "label": [2], "idx": [0]})
        return rows.cast_column("label", ClassLabel(names=["entailment", "neutral", "contradiction"]))

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    task = make_task(parse_settings({"task.name": "glue/mnli"}))
    assert cells_of(task.rows("train")) == {"premise": ["train"], "hypothesis": ["b"], "label": [2]}
    assert task.rows("validation")["premise"][:] == ["validation_matched", "validation_mismatched"]


def test_an_unreachable_hub_points_to_task_path(monkeypatch):
    def load_dataset(*_: str, **__: str) -> Dataset:
        raise ConnectionError("no network")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(ConfigError, match=r"glue/rte.*no network.*set task.path"):
        make_task(parse_settings({"task.name": "glue/rte"})).rows("train")


def test_other_class_names_on_the_hub_are_refused(monkeypatch):
    rows = Dataset.from_dict({"sentence": ["a"], "label": [0]}).cast_column("label", ClassLabel(names=["pos", "neg"]))
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: rows)
    with pytest.raises(ConfigError, match="pos, neg; expected negative, positive"):
        make_task(parse_settings({"task.name": "glue/sst2"})).rows("train")


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    """One token per word, numbered from 2: a b c ...; 0 pads."""
    return word_tokenizer("abcdefgh")


@pytest.fixture
def pairs(tmp_path) -> LabelledText:
    rows = {"sentence1": ["a b c d e f", "a"], "sentence2": ["g h", "h"], "label": [1, 0]}
    write(tmp_path / "train.jsonl", rows)
    return local_task(tmp_path)


def test_pairs_are_tokenised_unpadded_and_cut_from_the_longer_text(pairs, tokenizer):
    first, second = pairs.features(pairs.rows("train"), tokenizer, max_length=5)
    assert first == {
        "input_ids": [2, 3, 4, 8, 9],
        "token_type_ids": [0, 0, 0, 1, 1],
        "attention_mask": [1, 1, 1, 1, 1],
        "labels": 1,
        ROW: 0,
    }
    assert second == {"input_ids": [2, 9], "token_type_ids": [0, 1], "attention_mask": [1, 1], "labels": 0, ROW: 1}


def test_the_second_text_is_cut_where_it_is_the_longer(tmp_path, tokenizer):
    write(tmp_path / "train.csv", {"sentence1": ["a b"], "sentence2": ["c d e f g"], "label": [1]})
    task = local_task(tmp_path)
    assert task.features(task.rows("train"), tokenizer, max_length=5)[0]["input_ids"] == [2, 3, 4, 5, 6]


def test_single_texts_are_tokenised_and_cut(tmp_path, tokenizer):
    write(tmp_path / "train.csv", {"sentence": ["a b c d", "zzz"], "label": [0, 1]})
    task = local_task(tmp_path, "glue/sst2")
    features = task.features(task.rows("train"), tokenizer, max_length=3)
    assert [example["input_ids"] for example in features] == [[2, 3, 4], [1]]


def test_token_type_ids_are_there_only_where_the_tokenizer_gives_them(pairs, tokenizer):
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    features = pairs.features(pairs.rows("train"), tokenizer, max_length=8)
    assert set(features[0]) == {"input_ids", "attention_mask", "labels", ROW}


def test_no_rows_give_no_features(pairs, tokenizer):
    assert pairs.features(pairs.rows("train").select([]), tokenizer, max_length=8) == []


@pytest.mark.parametrize(("side", "padded"), [("right", [2, 9, 0, 0]), ("left", [0, 0, 2, 9])])
def test_batches_are_padded_to_their_longest_on_the_side_of_the_tokenizer(pairs, tokenizer, side, padded):
    tokenizer.padding_side = side
    features = pairs.features(pairs.rows("train"), tokenizer, max_length=4)
    batch = pairs.collate(tokenizer)(features)
    assert type(batch) is dict
    assert batch["input_ids"].tolist() == [[2, 3, 8, 9], padded]
    assert batch["attention_mask"].tolist()[1] == [int(token > 0) for token in padded]
    assert batch["labels"].tolist() == [1, 0]
    assert pairs.collate(tokenizer)(features[1:])["input_ids"].shape == (1, 2)
    assert features[1]["input_ids"] == [2, 9]


def test_a_tokenizer_that_cannot_pad_is_refused_before_training(pairs, tokenizer):
    tokenizer.pad_token = None
    with pytest.raises(ConfigError, match="no padding token"):
        pairs.check_preprocessor(tokenizer, 8)


class Fixed(nn.Module):
    """A model that answers with its only parameter, whatever it is asked."""

    def __init__(self, logits: list[list[float]], dtype: torch.dtype = torch.float32):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits, dtype=dtype))

    def forward(self, input_ids: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loss_is_the_mean_cross_entropy_in_float32(pairs, dtype):
    model = Fixed([[2.0, 0.0], [0.0, 1.0]], dtype)
    batch = {"input_ids": torch.zeros(2, 3), "labels": torch.tensor([0, 0])}
    loss = pairs.loss(model, batch)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx((math.log(1 + math.exp(-2)) + math.log(1 + math.exp(1))) / 2)
    loss.backward()
    assert model.logits.grad is not None
    assert torch.equal(pairs.predict(model, batch), model.logits)


def scored(task: LabelledText, chosen: list[int], labels: list[int]) -> dict[str, float]:
    """Score of predictions that give the chosen class the logit 1 and the others 0."""
    logits = nn.functional.one_hot(torch.tensor(chosen), len(task.label_names)).float()
    return task.score(list(logits), [{"labels": label} for label in labels])


def test_paraphrases_are_scored_by_accuracy_and_the_f1_of_class_1(pairs):
    result = scored(pairs, chosen=[1, 1, 1, 0, 0], labels=[1, 0, 1, 1, 0])
    right, wrong = math.log(1 + math.exp(-1)), math.log(1 + math.exp(1))
    assert result == pytest.approx({"accuracy": 3 / 5, "f1": 2 / 3, "loss": (3 * right + 2 * wrong) / 5})


def test_a_class_that_nobody_chose_scores_zero_without_a_warning(pairs, recwarn):
    assert scored(pairs, chosen=[0, 0], labels=[0, 0])["f1"] == 0
    assert len(recwarn) == 0


def test_the_tiny_task_has_pairs_of_two_classes():
    pytest.importorskip("florg_app.tasks.tiny.embedded")
    task = make_task(parse_settings({"task.max-train-rows": 50}))
    rows = task.rows("train")
    assert rows.column_names == ["sentence1", "sentence2", "label"]
    assert len(rows) == 50
    assert tuple(rows.features["label"].names) == task.label_names
    assert set(rows["label"]) == {0, 1}


def test_the_tiny_task_reads_a_nodes_own_files(tmp_path):
    write(tmp_path / "train.jsonl", {**ROWS, "label": ["true", "false", "false", "true"]})
    assert make_task(parse_settings({}), data_path=tmp_path).rows("train")["label"][:] == [1, 0, 0, 1]
