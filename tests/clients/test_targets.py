"""Which layers are adapted, how they are grouped, and what the head is."""

import pytest
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageClassification,
    AutoModelForImageTextToText,
    PreTrainedModel,
    ResNetConfig,
)

from clients.targets import find_head, find_targets, group_layers, linear_layers
from strategies.state import Group
from tests.support.architectures import SWEPT
from tests.support.families import family_model
from tests.support.tiny_models import tiny_config, tiny_model


def test_the_default_is_in_the_decoder_of_an_encoder_decoder_too():
    targets = find_targets(family_model("t5"))
    endings = {".".join(name.split(".")[-2:]) for name in targets}
    assert endings == {"SelfAttention.q", "SelfAttention.v", "EncDecAttention.q", "EncDecAttention.v"}


@pytest.mark.parametrize("family", ["gemma3", "llava", "llama4"])
def test_the_half_that_reads_images_is_no_default_of_a_language_model(family: str):
    (swept,) = (swept for swept in SWEPT if swept.family == family)
    model = AutoModelForImageTextToText.from_config(swept.config())
    names = list(find_targets(model))
    assert len(names) == 4
    assert all("language_model" in name for name in names)
    assert any("vision" in name for name in linear_layers(model))
    with pytest.raises(ValueError, match=r"'vision\S*q_proj' matches no linear layer that the task's inputs pass"):
        find_targets(model, ["vision*q_proj"])


def test_a_model_without_linear_layers_is_refused_as_such():
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])
    with pytest.raises(ValueError, match=r"ResNetForImageClassification has no linear layer outside its head"):
        find_targets(AutoModelForImageClassification.from_config(config))


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_the_half_that_reads_images_is_the_default_of_a_classifier_of_images(family: str):
    (swept,) = (swept for swept in SWEPT if swept.family == family)
    assert len(find_targets(AutoModelForImageClassification.from_config(swept.config()))) == 4


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("query", ["bert.encoder.layer.0.attention.self.query", "bert.encoder.layer.1.attention.self.query"]),
        ("layer.1.attention.self.query", ["bert.encoder.layer.1.attention.self.query"]),
        ("bert.encoder.layer.0.attention.self.key", ["bert.encoder.layer.0.attention.self.key"]),
        ("layer.[1-9].*.value", ["bert.encoder.layer.1.attention.self.value"]),
        ("intermediate.dense", ["bert.encoder.layer.0.intermediate.dense", "bert.encoder.layer.1.intermediate.dense"]),
    ],
)
def test_a_pattern_is_matched_by_components_from_the_end(bert: PreTrainedModel, pattern: str, expected: list[str]):
    assert list(find_targets(bert, [pattern])) == expected


def test_a_part_of_a_component_does_not_match(bert: PreTrainedModel):
    with pytest.raises(ValueError, match="matches no linear layer"):
        find_targets(bert, ["uery"])


def test_several_patterns_are_united_in_model_order(llama: PreTrainedModel):
    names = [name.rpartition(".")[2] for name in find_targets(llama, ["v_proj", "q_proj"])]
    assert names == ["q_proj", "v_proj", "q_proj", "v_proj"]


def test_a_star_takes_the_backbone_without_the_heads(llama: PreTrainedModel):
    assert len(find_targets(llama, ["*"])) == 2 * 7
    causal = AutoModelForCausalLM.from_config(tiny_config("llama"))
    assert len(find_targets(causal, ["*"])) == 2 * 7


@pytest.mark.parametrize("patterns", [["nope"], ["query", "nope"], ["classifier"]])
def test_a_pattern_without_a_layer_is_refused_with_what_there_is(bert: PreTrainedModel, patterns: list[str]):
    with pytest.raises(ValueError, match=r"adapter\.targets") as error:
        find_targets(bert, patterns)
    assert repr(patterns[-1]) in str(error.value)
    endings = str(error.value).rpartition("end in: ")[2].split(", ")
    assert endings[:4] == [
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
    ]
    assert "classifier" not in endings


def test_groups_are_by_shape_in_model_order(llama: PreTrainedModel):
    layers = "model.layers.{}.self_attn.{}"
    assert group_layers(find_targets(llama)) == (
        Group(48, 32, (layers.format(0, "q_proj"), layers.format(1, "q_proj"))),
        Group(24, 32, (layers.format(0, "v_proj"), layers.format(1, "v_proj"))),
    )


def test_conv1d_is_grouped_by_its_output_first():
    (group,) = group_layers(find_targets(tiny_model("gpt2")))
    assert (group.out_features, group.in_features) == (96, 32)


@pytest.mark.parametrize(
    ("family", "head"),
    [
        ("bert", ["classifier.weight", "classifier.bias"]),
        (
            "roberta",
            [
                "classifier.dense.weight",
                "classifier.dense.bias",
                "classifier.out_proj.weight",
                "classifier.out_proj.bias",
            ],
        ),
        ("deberta-v2", ["pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias"]),
        ("distilbert", ["pre_classifier.weight", "pre_classifier.bias", "classifier.weight", "classifier.bias"]),
        ("opt", ["score.weight"]),
        ("gpt2", ["score.weight"]),
        ("llama", ["score.weight"]),
        ("vit", ["classifier.weight", "classifier.bias"]),
    ],
)
def test_the_head_is_all_that_is_not_the_backbone(family: str, head: list[str]):
    assert list(find_head(family_model(family))) == head


def test_a_language_model_and_a_bare_backbone_have_no_head():
    assert find_head(AutoModelForCausalLM.from_config(tiny_config("llama"))) == {}
    assert find_head(AutoModel.from_config(tiny_config("bert"))) == {}
