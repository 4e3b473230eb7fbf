"""What `model.*` asks for beside a name: code of the model's own, fewer bits; and tokenizers that fit the model."""

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.utils.quantization_config import BitsAndBytesConfig

from clients import quantized
from clients.architectures import Head
from clients.backbone import load_model, load_tokenizer
from clients.quantized import check_quantization, quantization_options
from florg_app.assembly import assemble
from florg_app.config.parse import parse_settings
from florg_app.doctor.model import check_memory, check_quantized_model
from florg_app.exports.plain_model import plain_model
from florg_app.tasks.tiny import embedded
from tests.support.families import CONFIGS
from tests.support.finished_runs import CPU
from tests.support.finished_runs import plain_model as model_folder
from tests.support.tiny_models import classifier, tiny_config, tiny_model

GPU = torch.device("cuda:0")
CODE = """
from transformers import BertConfig, BertForSequenceClassification
print("the model's own code")

class OwnConfig(BertConfig):
    model_type = "own"

class Own(BertForSequenceClassification):
    config_class = OwnConfig
"""


@pytest.fixture
def own_code(bert: PreTrainedModel, tmp_path: Path) -> str:
    """The folder of a model that comes with Python of its own."""
    bert.save_pretrained(tmp_path)
    (tmp_path / "own.py").write_text(CODE)
    config = (tmp_path / "config.json").read_text()
    auto = '"auto_map": {"AutoConfig": "own.OwnConfig", "AutoModelForSequenceClassification": "own.Own"},'
    (tmp_path / "config.json").write_text(config.replace('"model_type": "bert"', f'{auto} "model_type": "own"'))
    return str(tmp_path)


def test_code_of_a_model_is_run_only_where_the_user_says_so(own_code, monkeypatch, tmp_path_factory, capsys):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))
    with pytest.raises(ValueError, match=r"Python code of its own.*model\.trust-remote-code = true"):
        load_model(own_code, classifier(3), "float32", head_seed=1)
    assert "own code" not in capsys.readouterr().out
    model = load_model(own_code, classifier(3), "float32", head_seed=1, trust_remote_code=True).model
    assert type(model).__name__ == "Own"
    assert "own code" in capsys.readouterr().out


def test_the_setting_reaches_the_loading(monkeypatch, tmp_path):
    given = []

    def record(*arguments):
        given.append(arguments)
        raise ValueError("enough")

    monkeypatch.setattr("florg_app.pretrained.load_model", record)
    folder = str(model_folder(tmp_path, "bert"))
    for keys in ({}, {"model.trust-remote-code": True, "model.quantization": "4bit"}):
        with pytest.raises(ValueError, match="enough"):
            assemble(parse_settings({"model.name": folder, **keys}), CPU)
    assert [arguments[4:] for arguments in given] == [(False, "none", CPU), (True, "4bit", CPU)]


def test_pickled_weights_are_not_read(bert: PreTrainedModel, tmp_path: Path):
    bert.config.save_pretrained(tmp_path)
    torch.save(bert.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="safetensors"):
        load_model(str(tmp_path), classifier(3), "float32", head_seed=1)


def test_a_missing_package_is_answered_with_the_extra_that_has_it(monkeypatch):
    monkeypatch.setattr(quantized, "find_spec", lambda name: None if name == "bitsandbytes" else object())
    with pytest.raises(ValueError, match=r'model\.quantization = "8bit" needs bitsandbytes, .*florg-app\[quantized\]'):
        check_quantization("8bit", GPU)
    check_quantization("none", CPU)


def test_fewer_bits_need_a_gpu(monkeypatch):
    monkeypatch.setattr(quantized, "find_spec", lambda name: object())
    check_quantization("4bit", GPU)
    with pytest.raises(ValueError, match=r'"4bit" needs a CUDA device, not cpu.*client\.device'):
        check_quantization("4bit", CPU)
    with pytest.raises(ValueError, match=r'model\.quantization = "4bit": model\.name = "tiny"'):
        assemble(parse_settings({"model.quantization": "4bit"}), CPU)


@pytest.mark.parametrize(
    ("family", "heads"),
    [
        ("bert", ["classifier"]),
        ("roberta", ["classifier"]),
        ("deberta-v2", ["classifier", "pooler"]),
        ("llama", ["score"]),
        ("gpt2", ["score"]),
    ],
)
def test_a_task_head_is_not_quantised(family: str, heads: list[str]):
    options = quantization_options("8bit", classifier(3), CONFIGS[family](), "bfloat16", GPU)
    assert options["device_map"] == {"": "cuda:0"}
    config = BitsAndBytesConfig.from_dict(options["quantization_config"])
    assert (config.load_in_8bit, config.llm_int8_skip_modules) == (True, heads)


def test_four_bits_are_computed_with_in_the_precision_of_the_model():
    options = quantization_options("4bit", Head("causal-lm"), tiny_config("llama"), "bfloat16", GPU)
    config = BitsAndBytesConfig.from_dict(options["quantization_config"])
    assert (config.load_in_4bit, config.bnb_4bit_quant_type) == (True, "nf4")
    assert config.bnb_4bit_compute_dtype == torch.bfloat16
    assert config.llm_int8_skip_modules is None  # transformers knows the language-model head


def test_an_exported_adapter_says_how_its_backbone_was_loaded(bert: PreTrainedModel):
    settings = parse_settings({"model.quantization": "4bit", "model.trust-remote-code": True}).model
    call = plain_model(classifier(3), bert.config, bert, settings).call("x")
    assert "'load_in_4bit': True" in call
    assert call.endswith("trust_remote_code=True)")
    assert "quantization" not in plain_model(classifier(3), bert.config, bert, parse_settings({}).model).call("x")


def test_the_doctor_knows_what_quantised_backbones_need(tmp_path):
    missing = check_quantized_model("8bit", ["bitsandbytes"], True)
    assert (missing.level, "bitsandbytes" in missing.text) == ("problem", True)
    assert check_quantized_model("8bit", [], False).level == "problem"
    assert check_quantized_model("8bit", [], True).level == "ok"
    (model := tiny_model("bert")).save_pretrained(tmp_path)
    weights, free = [tmp_path / "model.safetensors"], {"memory": model.num_parameters()}
    levels = [check_memory(weights, kind, free)[0].level for kind in ("bfloat16", "8bit", "4bit")]
    assert levels == ["problem", "warning", "ok"]


def test_texts_are_padded_on_the_right_whatever_a_tokenizer_prefers(tmp_path):
    tokenizer = embedded.load_embedded_tokenizer()
    tokenizer.padding_side = "left"
    tokenizer.save_pretrained(tmp_path)
    assert load_tokenizer(str(tmp_path)).padding_side == "right"


@pytest.mark.parametrize("family", ["gpt2", "opt", "gemma"])
def test_tied_embeddings_stay_tied_through_loading_and_saving(family: str, tmp_path: Path):
    config = CONFIGS[family]()
    config.tie_word_embeddings = True
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "model")
    model = load_model(str(tmp_path / "model"), Head("causal-lm"), "bfloat16", head_seed=1).model
    model.save_pretrained(tmp_path / "again")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "again")
    for one in (model, again):
        assert one.get_output_embeddings().weight.data_ptr() == one.get_input_embeddings().weight.data_ptr()
    assert torch.equal(again.get_input_embeddings().weight, model.get_input_embeddings().weight)
    assert AutoConfig.from_pretrained(tmp_path / "again").tie_word_embeddings
