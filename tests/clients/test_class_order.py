"""A head of the task's classes is kept in the task's order, one of others is drawn anew, and either is said."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, BertConfig, PreTrainedModel

from clients.architectures import Head
from clients.backbone import load_model
from clients.class_order import draw_head, known_classes, reorder_head
from clients.seeding import scoped_seed
from clients.targets import find_head
from tests.support.architectures import SWEPT
from tests.support.families import family_model
from tests.support.tiny_models import tiny_config

NAMES = ("neg", "neutral", "pos")


def task(*names: str) -> Head:
    return Head("sequence-classification", len(names), classes=names)


def checkpoint(*names: str, **changes) -> BertConfig:
    numbers = {name: number for number, name in enumerate(names)}
    return BertConfig(num_labels=len(names), id2label=dict(enumerate(names)), label2id=numbers, **changes)


@pytest.mark.parametrize(
    ("own", "wanted", "order"),
    [
        (("neg", "pos"), ("neg", "pos"), None),
        (("pos", "neg"), ("neg", "pos"), (1, 0)),
        (("contradiction", "entailment", "neutral"), ("entailment", "neutral", "contradiction"), (1, 2, 0)),
        (("POSITIVE", "NEGATIVE"), ("negative", "positive"), (1, 0)),
        (("Not Equivalent", "equivalent"), ("not_equivalent", "equivalent"), None),
        (("not-equivalent", "Equivalent"), ("equivalent", "not equivalent"), (1, 0)),
        (("1", "0"), ("0", "1"), (1, 0)),
        (("1.0", "0.0"), ("0", "1"), (1, 0)),
        (("True", "False"), ("false", "true"), (1, 0)),
        (("True", "False"), ("0", "1"), (1, 0)),
        (("0", "1"), ("false", "true"), None),
    ],
)
def test_classes_of_the_same_names_are_put_into_the_order_of_the_task(own, wanted, order):
    known = known_classes(checkpoint(*own), task(*wanted))
    assert (known.order, known.fresh) == (order, "")
    assert ("were put into the order of the task" in known.note) == (order is not None)


@pytest.mark.parametrize(
    ("own", "changes", "wanted", "reason"),
    [
        (("spam", "ham"), {}, task("neg", "pos"), r"is of other classes \(spam, ham\) than the task \(neg, pos\)"),
        (("neg", "neg "), {}, task("neg", "pos"), "is of other classes"),
        (("neg", "neutral", "pos"), {}, task("neg", "pos"), "has 3 classes, the task 2"),
        (("score",), {}, task("neg", "pos"), "has 1 classes, the task 2"),
        (("1 star", "2 stars"), {}, task("0", "1"), "is of other classes"),
        (("neg", "pos"), {"problem_type": "multi_label_classification"}, task("neg", "pos"), "was trained for multi_"),
        (("a", "b"), {"problem_type": "regression"}, task("neg", "pos"), "was trained for regression, the task is"),
        (
            ("toxic",),
            {"problem_type": "multi_label_classification"},
            Head("sequence-classification", 1, "regression"),
            "was trained for multi_label_classification, the task is regression",
        ),
    ],
)
def test_a_head_of_another_kind_is_not_taken_over(own, changes, wanted, reason):
    known = known_classes(checkpoint(*own, **changes), wanted)
    assert known.order is None
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(known.fresh)


def test_names_that_label2id_alone_has_count():
    config = BertConfig(num_labels=2)
    config.label2id = {"pos": 0, "neg": 1}
    assert known_classes(config, task("neg", "pos")).order == (1, 0)


def test_a_head_without_names_is_taken_at_its_word_and_that_is_said():
    known = known_classes(BertConfig(num_labels=2), task("neg", "pos"))
    assert (known.order, known.fresh) == (None, "")
    assert "as many classes without names, which are taken as neg, pos, in this order" in known.note


@pytest.mark.parametrize("head", [Head("causal-lm"), Head("question-answering", 2)])
def test_outputs_that_are_no_classes_are_compared_with_none(head):
    known = known_classes(checkpoint("a", "b"), head)
    assert (known.order, known.fresh, known.note) == (None, "", "")


CLASSIFIERS = ("bert", "roberta", "distilbert", "deberta-v2", "gpt2", "llama", "opt", "vit", "t5", "bart")
"""Families with heads of one layer or two, in modules of their own or not."""


def classifier_of(family: str) -> tuple[PreTrainedModel, dict[str, torch.Tensor]]:
    """A classifier of three classes, and inputs for it."""
    if family == "vit":
        return family_model(family), {"pixel_values": torch.rand(2, 3, 16, 16)}
    inputs = {"input_ids": torch.tensor([[5, 6, 7, 8, 9, 4]])}
    if family not in ("t5", "bart"):
        return family_model(family), inputs
    (swept,) = (swept for swept in SWEPT if swept.family == family)
    config = swept.config()
    config.num_labels = 3
    return AutoModelForSequenceClassification.from_config(config).eval(), inputs


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_outputs_in_another_order_are_those_outputs_in_that_order(family):
    model, inputs = classifier_of(family)
    with torch.inference_mode():
        before = model(**inputs).logits
        reorder_head(model, task(*NAMES), (2, 0, 1))
        torch.testing.assert_close(model(**inputs).logits, before[:, [2, 0, 1]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_a_head_that_is_drawn_anew_is_another_one_and_the_same_for_a_seed(family):
    model, _ = classifier_of(family)
    before, draws = {name: parameter.clone() for name, parameter in model.named_parameters()}, []
    for seed in (1, 1, 2):
        with scoped_seed(seed):
            draw_head(model)
        draws.append({name: parameter.clone() for name, parameter in model.named_parameters()})
    weights = {name for name, parameter in find_head(model).items() if parameter.dim() > 1}
    assert weights
    for name, old in before.items():
        assert torch.equal(draws[0][name], old) == (name not in weights)
        assert torch.equal(draws[0][name], draws[1][name])
        assert torch.equal(draws[1][name], draws[2][name]) == (name not in weights)


def saved(folder: Path, *names: str) -> Path:
    config = tiny_config("llama", num_labels=len(names))
    config.id2label = dict(enumerate(names))
    config.label2id = {name: number for number, name in enumerate(names)}
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    return folder


def test_a_checkpoint_answers_in_the_order_of_the_task_or_has_its_head_drawn_anew(tmp_path):
    folder = saved(tmp_path / "model", "pos", "neg", "neutral")
    theirs = AutoModelForSequenceClassification.from_pretrained(folder).get_parameter("score.weight")
    kept = load_model(str(folder), task(*NAMES), "float32", head_seed=1)
    assert torch.equal(kept.model.get_parameter("score.weight"), theirs[[1, 2, 0]])
    assert kept.model.config.id2label == dict(enumerate(NAMES))
    assert any("were put into the order of the task: neg, neutral, pos" in note for note in kept.notes)
    fresh = load_model(str(folder), task("spam", "ham", "other"), "float32", head_seed=1)
    assert not any(
        torch.equal(own, theirs[row]) for own in fresh.model.get_parameter("score.weight") for row in range(3)
    )
    assert any("is of other classes (pos, neg, neutral) than the task" in note for note in fresh.notes)
    assert any(note.endswith("drawn anew") for note in fresh.notes)
    again, other = (load_model(str(folder), task("spam", "ham", "other"), "float32", head_seed=seed) for seed in (1, 2))
    for name, parameter in find_head(fresh.model).items():
        assert torch.equal(parameter, again.model.get_parameter(name))
        assert not torch.equal(parameter, other.model.get_parameter(name))
