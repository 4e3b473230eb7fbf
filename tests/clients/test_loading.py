"""Whatever fails when a model or tokenizer is loaded names model.name, the class of the problem and the next move."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig

from clients.architectures import Head
from clients.loading import PROBLEMS, from_pretrained, in_words
from florg_app.config.parse import parse_settings
from florg_app.pretrained import Pretrained, load_pretrained
from tests.support.finished_runs import CPU, plain_model

TRUTHS = Head("sequence-classification", 2, classes=("false", "true"))
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
Change = Callable[[Path], Any]


def loaded(folder: Path | str) -> Pretrained:
    return load_pretrained(parse_settings({"model.name": str(folder)}).model, TRUTHS, 0, CPU)


def file(name: str, content: bytes | str | None) -> Change:
    """Another content of a file, None: no file."""

    def change(folder: Path) -> None:
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return change


def half(name: str) -> Change:
    return lambda folder: (folder / name).write_bytes(
        (folder / name).read_bytes()[: -(folder / name).stat().st_size // 2]
    )


def config(**changes: Any) -> Change:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def without_a_shard(folder: Path) -> None:
    first, second = (f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
    (folder / "model.safetensors").rename(folder / first)
    places = {"score.weight": first, "model.norm.weight": second}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def quantized(method: str, **settings: Any) -> Change:
    return config(quantization_config={"quant_method": method, **settings})


PACKAGE = (
    r"needs a package that is not installed here: .*(optimum|gptqmodel|bitsandbytes|compressed|HQQ|Flash).*Install it"
)
CODE = {"auto_map": {"AutoConfig": "conf.C", "AutoModelForSequenceClassification": "conf.M"}, "model_type": "strange"}

FAILURES: dict[str, tuple[Change, str]] = {
    "no folder": (shutil.rmtree, "is no folder on this machine: give the folder with config.json"),
    "a folder without anything": (
        lambda f: [path.unlink() for path in f.iterdir()],
        "has no tokenizer that can be read",
    ),
    "no config.json": (
        file("config.json", None),
        r"cannot be loaded: Unrecognized model .* must be a local folder with",
    ),
    "config.json of nothing": (file("config.json", "{}"), "cannot be loaded: Unrecognized model"),
    "config.json that is cut": (half("config.json"), "has a file that is no JSON or cut short .*fetch or save"),
    "config.json that is a list": (file("config.json", "[]"), "has files that transformers .* does not understand"),
    "no tokenizer": (file("tokenizer.json", None), "has no tokenizer that can be read.*put the tokenizer.json"),
    "a tokenizer that is cut": (half("tokenizer.json"), "has a file that is broken or cut short .*fetch or save"),
    "no weights": (file("model.safetensors", None), "has no weights in safetensors: others .*save_pretrained"),
    "pickled weights": (pickled, "has no weights in safetensors: others .pytorch_model.bin"),
    "weights that are cut": (half("model.safetensors"), "broken or cut short .SafetensorError.*fetch or save"),
    "weights of no bytes": (file("model.safetensors", b""), "broken or cut short .SafetensorError.*fetch or save"),
    "a shard that is not there": (without_a_shard, "lacks a file .*model-00002-of-00002.safetensors.*all of its parts"),
    **{
        f"a pointer for {name}": (
            file(name, POINTER),
            f"has pointers of Git LFS in the place of {name}; fetch the files",
        )
        for name in ("model.safetensors", "tokenizer.json", "config.json")
    },
    "a family that nobody knows": (config(model_type="llama99"), "is of a family that transformers .* newer"),
    "a family without such a head": (config(model_type="clip_text_model"), "has no class for what the task needs"),
    "a model of images": (config(model_type="vit"), "has no class for what the task needs .*another family"),
    "other sizes": (
        config(hidden_size=64),
        r"embed_tokens.weight is \(64, 32\) in its weights and \(64, 64\) by its config",
    ),
    "sizes that do not go together": (config(num_attention_heads=5), "does not understand .*not a multiple"),
    "code of its own": (config(**CODE), "comes with Python code of its own.*model.trust-remote-code = true"),
    "gptq": (quantized("gptq", bits=4), PACKAGE),
    "awq": (quantized("awq", bits=4), PACKAGE),
    "bitsandbytes": (quantized("bitsandbytes", load_in_4bit=True), PACKAGE),
    "compressed tensors": (quantized("compressed-tensors"), PACKAGE),
    "hqq": (quantized("hqq"), PACKAGE),
    "an attention that is not here": (config(_attn_implementation="flash_attention_2"), PACKAGE),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_model_that_cannot_be_loaded_is_answered_with_its_key_the_problem_and_what_to_do(failure, tmp_path):
    change, words = FAILURES[failure]
    change(plain_model(tmp_path / "model", "llama"))
    with pytest.raises(ValueError, match=words) as caught:
        loaded(tmp_path / "model")
    assert str(caught.value).startswith(f"model.name = '{tmp_path}/model'")
    assert "\n" not in str(caught.value)


class Failing:
    """A loader of transformers that fails so."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def from_pretrained(self, name: str, **options: Any) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError("You are trying to access a gated repo.\nMake sure to have access"), "gated or private .*HF_TOKEN"),
        (OSError("403 Forbidden: access to model x is restricted"), "gated or private .*ask for access"),
        (OSError("We couldn't connect to 'https://huggingface.co'"), "hub cannot be reached: .*hf download"),
        (OSError("x is not a valid model identifier"), "cannot be loaded: .*check the name, the network"),
        (torch.OutOfMemoryError("CUDA out of memory"), "does not fit into memory: take a smaller model"),
        (MemoryError(), "does not fit into memory: take a smaller model"),
        (ImportError("requires einops"), "needs a package that is not installed here: requires einops"),
        (ModuleNotFoundError("No module named 'mamba_ssm'"), "needs a package that is not installed here: No module"),
        (ValueError("You need sentencepiece"), "a tokenizer that needs a package .*with a tokenizer.json"),
        (RuntimeError("size mismatch for x"), "weights of other shapes than its config.json says"),
        (NotImplementedError("no embeddings"), "is of a build that transformers .* cannot handle"),
        (KeyError("zzz"), "does not understand .KeyError: 'zzz'"),
        (AssertionError(), "does not understand .AssertionError"),
    ],
)
def test_any_exception_of_a_loader_becomes_a_sentence_about_the_model(error, words):
    with pytest.raises(ValueError, match=words) as caught:
        from_pretrained(Failing(error), "someone/model")
    assert str(caught.value).startswith("model.name = 'someone/model' ")


def test_a_name_that_the_hub_does_not_have_is_no_missing_folder():
    assert "is no folder on this machine" in in_words("/models/mine", OSError("x"))
    assert "is no folder on this machine" not in in_words("someone/mine", OSError("x"))


def test_every_class_of_exception_is_a_known_problem():
    assert PROBLEMS[-1].marks == ""
    assert PROBLEMS[-1].kinds == (Exception,)


def test_layers_of_a_checkpoint_that_its_configuration_does_not_have_are_named(tmp_path):
    folder = plain_model(tmp_path / "model", "llama")
    config(num_hidden_layers=1)(folder)
    (note,) = (note for note in loaded(folder).notes if "its checkpoint has" in note)
    assert "model.layers.1.input_layernorm.weight" in note
    assert "for which its config.json has no layer" in note
    config(num_hidden_layers=2)(folder)
    assert AutoConfig.from_pretrained(folder).num_hidden_layers == 2
    assert not any("its checkpoint has" in note for note in loaded(folder).notes)


def test_layers_that_a_checkpoint_does_not_have_are_named(tmp_path):
    folder = plain_model(tmp_path / "model", "llama")
    config(num_hidden_layers=3)(folder)
    assert any("its checkpoint lacks model.layers.2.self_attn.q_proj.weight" in note for note in loaded(folder).notes)
