"""An export says with which command a server loads it, or why none would; what is asked for is checked."""

import json

import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from florg_app.cli.main import app
from florg_app.exports.serving import VLLM_RANKS, adapter_problems, serving_of
from tests.support.finished_runs import finished, said_by_export, saved
from tests.support.instructions import dolly, model_folder

SHAPES = {
    "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": (5, 32),
    "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight": (48, 5),
}
CONFIG = {"r": 5, "modules_to_save": None, "fan_in_fan_out": False}


def speaking(folder, family="llama", **changes):
    """The folder of a run of a language model."""
    (folder / "data").mkdir()
    dolly(folder / "data")
    model = str(model_folder(folder / "model", family))
    keys = {"task.name": "dolly", "task.path": str(folder / "data"), "model.name": model, **changes}
    return saved(folder, keys)[0]


@pytest.mark.parametrize(("rank", "allowed"), [(1, 8), (5, 16), (9, 32)])
def test_a_language_model_s_adapter_is_served_with_the_smallest_rank_that_vllm_has(rank, allowed, tmp_path):
    run = speaking(tmp_path, **{"adapter.rank": rank})
    said = said_by_export(run)  # zero-start doubles the rank
    tensors = load_file(run / "adapter/adapter_model.safetensors")
    highest = max(tensor.shape[0] for name, tensor in tensors.items() if "lora_A" in name)
    assert highest == 2 * rank <= allowed
    assert min(each for each in VLLM_RANKS if each >= highest) == allowed
    command = f"vllm serve {tmp_path / 'model'} --dtype float32 --enable-lora --max-lora-rank {allowed}"
    assert f"{command} --lora-modules florg={run / 'adapter'}" in said
    assert "tgi: adapters are checked here for vLLM alone" in said


def test_a_merged_language_model_is_served_as_it_is(tmp_path):
    run = speaking(tmp_path)
    said = said_by_export(run, merged=True)
    assert f"vllm serve {run / 'merged'} --dtype float32" in said
    assert f"text-generation-launcher --model-id {run / 'merged'} --dtype float32" in said
    assert "--enable-lora" not in said


def test_what_vllm_would_not_load_is_said_and_with_check_for_not_kept(tmp_path):
    run = speaking(tmp_path, "gpt2")
    assert "vllm: its layers keep weights as (in, out), as GPT-2's" in said_by_export(run)
    refused = CliRunner().invoke(app, ["export", str(run), "--output", str(tmp_path / "a"), "--check-for", "vllm"])
    assert refused.exit_code == 1
    assert "vllm would not serve it" in refused.stderr
    assert not (tmp_path / "a").exists()
    merged = ["export", str(run), "--merged", "--output", str(tmp_path / "b"), "--check-for", "vllm"]
    assert CliRunner().invoke(app, merged).exit_code == 0
    other = CliRunner().invoke(app, ["export", str(run), "--check-for", "ollama"])
    assert (other.exit_code, "expected vllm | tgi" in other.stderr) == (2, True)


def test_a_classifier_is_no_model_for_a_server_of_texts(tmp_path):
    run, _ = finished(tmp_path)
    assert "vllm" not in said_by_export(run)
    refused = CliRunner().invoke(app, ["export", str(run), "--output", str(tmp_path / "a"), "--check-for", "vllm"])
    assert refused.exit_code == 1
    assert "a model for sequence-classification" in refused.stderr


@pytest.mark.parametrize(
    ("config", "shapes", "problem"),
    [
        ({}, {}, None),
        ({"modules_to_save": ["lm_head"]}, {}, r"whole modules (lm_head)"),
        ({}, {"base_model.model.lm_head.weight": (9, 5)}, "whole modules (base_model.model.lm_head.weight)"),
        ({}, {"base_model.model.x.q_proj.lora_A.weight": (600, 5)}, "its rank 600 is above 512"),
        ({"fan_in_fan_out": True}, {}, "(in, out)"),
        ({}, {"base_model.model.embed_tokens.lora_A.weight": (4, 5)}, "it adapts embeddings (embed_tokens)"),
        ({}, {"base_model.model.x.mixer.lora_A.weight": (4, 5)}, "layers named mixer"),
        ({"use_dora": True}, {}, "DoRA"),
    ],
)
def test_each_thing_that_speaks_against_an_adapter_is_named_with_the_way_out(config, shapes, problem):
    found = adapter_problems({**CONFIG, **config}, {**SHAPES, **shapes})
    if problem is None:
        assert found == []
    else:
        assert len([text for text in found if problem in text]) == 1, found
        assert all("--merged" in text or "DoRA" in text for text in found)


def test_a_tokenizer_with_more_tokens_than_the_model_has_embeddings_is_named(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 30}))
    (tmp_path / "tokenizer.json").write_text(json.dumps({"added_tokens": [{"id": 30, "content": "<x>"}]}))
    found = serving_of("vllm", tmp_path, "m", "causal-lm", "base", "bfloat16")
    assert found.command == "vllm serve m --dtype bfloat16"
    assert any("token 30, and the model embeddings of 30" in problem for problem in found.problems)
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 31}))
    assert serving_of("vllm", tmp_path, "m", "causal-lm", "base", "bfloat16").problems == ()
