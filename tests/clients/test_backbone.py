"""Loading the frozen model, keeping it in the process, and knowing it again."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from clients import backbone
from clients.architectures import Head
from clients.backbone import load_model, load_tokenizer, shared, weights_fingerprint
from clients.padding import match_padding
from clients.targets import find_head, find_targets
from tests.support.tiny_models import classifier, loss_fn, pad, tiny_config, tiny_features, tiny_model


@pytest.fixture
def folder(llama: PreTrainedModel, tmp_path: Path) -> str:
    """A saved backbone without a head, as checkpoints on the hub are."""
    llama.base_model.save_pretrained(tmp_path)
    return str(tmp_path)


def head_bits(model: PreTrainedModel) -> bytes:
    return b"".join(parameter.detach().numpy().tobytes() for parameter in find_head(model).values())


def test_the_backbone_has_the_saved_bits_and_the_asked_precision(folder: str, llama: PreTrainedModel):
    for dtype in ("float32", "bfloat16", "float16"):
        model = load_model(folder, classifier(5), dtype, head_seed=1).model
        for name, parameter in model.base_model.named_parameters():
            expected = llama.base_model.get_parameter(name).to(getattr(torch, dtype))
            assert torch.equal(parameter, expected)
        assert model.config.num_labels == 5
        assert not model.training


@pytest.mark.parametrize("family", ["bert", "llama", "gpt2", "opt"])
def test_a_16_bit_backbone_has_a_float32_head(family: str, tmp_path: Path):
    tiny_model(family).base_model.save_pretrained(tmp_path)
    model = load_model(str(tmp_path), classifier(3), "bfloat16", head_seed=1).model
    assert {parameter.dtype for parameter in find_head(model).values()} == {torch.float32}
    loss = loss_fn(model, pad(tiny_features(4)))
    assert loss.dtype == torch.float32
    loss.backward()


def test_the_head_depends_on_its_seed_and_on_nothing_else(folder: str):
    first = head_bits(load_model(folder, classifier(3), "float32", head_seed=1).model)
    torch.rand(7)
    before = torch.get_rng_state()
    assert head_bits(load_model(folder, classifier(3), "float32", head_seed=1).model) == first
    assert torch.equal(torch.get_rng_state(), before)
    assert head_bits(load_model(folder, classifier(3), "float32", head_seed=2).model) != first


def test_a_trained_head_is_kept_where_it_has_as_many_labels(llama: PreTrainedModel, tmp_path: Path):
    llama.save_pretrained(tmp_path)
    assert head_bits(load_model(str(tmp_path), classifier(3), "float32", head_seed=1).model) == head_bits(llama)
    assert load_model(str(tmp_path), classifier(2), "float32", head_seed=1).model.get_parameter(
        "score.weight"
    ).shape == (
        2,
        32,
    )


def test_a_decoder_without_padding_token_takes_its_end_token(llama: PreTrainedModel, tmp_path: Path):
    llama.config.pad_token_id, llama.config.eos_token_id = None, [2, 7]
    llama.base_model.save_pretrained(tmp_path)
    assert load_model(str(tmp_path), classifier(3), "float32", head_seed=1).model.config.pad_token_id == 2


def test_tokenizer_and_model_agree_on_padding(llama: PreTrainedModel, tmp_path: Path):
    words = Tokenizer(WordLevel({"<unk>": 0, "</s>": 9}, unk_token="<unk>"))
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>").save_pretrained(tmp_path / "with-end")
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(tmp_path / "without")
    tokenizer = load_tokenizer(str(tmp_path / "with-end"))
    match_padding(llama, tokenizer)
    assert tokenizer.pad_token == "</s>"
    assert llama.config.pad_token_id == 9
    with pytest.raises(ValueError, match="neither a padding nor an end token"):
        load_tokenizer(str(tmp_path / "without"))


def test_a_model_that_cannot_be_had_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    places = {
        "nobody/nothing": "is no folder here, and the hub cannot be reached",
        str(tmp_path): "cannot be loaded",
        str(tmp_path / "absent"): "is no folder on this machine",
    }
    for name, problem in places.items():
        with pytest.raises(ValueError, match=f"model.name = '{name}' {problem}"):
            load_model(name, classifier(2), "float32", head_seed=1)


def test_one_thing_of_a_kind_is_kept_and_the_old_one_freed_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(backbone, "_live", {})
    log = []

    class Thing:
        def __init__(self, name: str):
            log.append(f"load {name}")
            self.name = name

        def __del__(self):
            log.append(f"free {self.name}")

    first = shared(("backbone", "a"), lambda: Thing("a"))
    assert shared(("backbone", "a"), lambda: Thing("a")) is first
    data = shared(("data", "a"), lambda: Thing("data"))
    del first
    shared(("backbone", "b"), lambda: Thing("b"))
    assert log == ["load a", "load data", "free a", "load b"]
    assert shared(("data", "a"), lambda: Thing("data")) is data


def test_the_fingerprint_tells_checkpoints_apart_and_ignores_the_head(model: PreTrainedModel):
    family = model.config.model_type
    same, other = tiny_model(family), tiny_model(family, seed=1)
    assert weights_fingerprint(same) == weights_fingerprint(model)
    assert weights_fingerprint(other) != weights_fingerprint(model)
    with torch.no_grad():
        next(iter(find_head(same).values())).add_(1)
        assert weights_fingerprint(same) == weights_fingerprint(model)
        assert weights_fingerprint(same, exclude_head=False) != weights_fingerprint(model, exclude_head=False)
        weight = next(iter(find_targets(same).values())).get_parameter("weight")
        weight.view(-1)[-1] += 1e-3
    assert weights_fingerprint(same) != weights_fingerprint(model)


def test_the_fingerprint_depends_on_the_precision(llama: PreTrainedModel):
    full = weights_fingerprint(llama)
    assert weights_fingerprint(llama.bfloat16()) != full


@pytest.mark.parametrize("saved_as", [AutoModelForCausalLM, AutoModelForSequenceClassification, AutoModel])
@pytest.mark.parametrize("family", ["bert", "roberta", "llama", "gpt2", "opt"])
def test_a_span_head_stands_on_the_saved_backbone(family: str, saved_as: type, tmp_path: Path):
    """LlamaForQuestionAnswering names its backbone otherwise than all other classes of its family."""
    saved = saved_as.from_config(tiny_config(family))
    saved.save_pretrained(tmp_path)
    model = load_model(str(tmp_path), Head("question-answering", 2), "float32", head_seed=1).model
    known = dict(saved.base_model.named_parameters())
    for name, parameter in model.base_model.named_parameters():
        assert torch.equal(parameter, known[name]), name
    assert set(find_head(model)) == {"qa_outputs.weight", "qa_outputs.bias"}


def test_a_checkpoint_of_which_nothing_fits_is_refused(tmp_path: Path):
    bert = tiny_model("bert")
    weights = {f"other.{name}": tensor for name, tensor in bert.state_dict().items()}
    bert.save_pretrained(tmp_path, state_dict=weights)
    with pytest.raises(ValueError, match="none of the names that BertForSequenceClassification knows"):
        load_model(str(tmp_path), classifier(2), "float32", head_seed=1)


def test_an_architecture_that_a_family_does_not_have_is_refused(tmp_path: Path):
    tiny_model("bert").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="is of a family that has no class for what the task needs"):
        load_model(str(tmp_path), Head("image-classification", 2), "float32", head_seed=1)
