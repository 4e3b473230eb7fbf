"""What an exported folder holds gives the run's own logits to anybody who loads it, or there is no folder."""

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from typer.testing import CliRunner

from florg_app.checkpoints import checkpoint_file
from florg_app.checkpoints.load_run import load_run
from florg_app.cli.main import app
from florg_app.engines import inline
from florg_app.exports import export as exporter
from florg_app.exports.export import ExportError, export_run
from tests.support.finished_runs import CPU, FAMILIES, METHOD_SETTINGS, finished, said_by_export
from tests.support.processes import ENVIRONMENT
from tests.support.tiny_models import logits_fn, pad, tiny_features

CASES = [
    *product(FAMILIES, ["zero-start"]),
    *product(["llama"], [name for name in METHOD_SETTINGS if name != "zero-start"]),
]


RANKS = {"zero-start": 6, "federa": 6, "ravan": 6, "fedex-factored": 3 + 5}
"""Of the exported adapter where it is not the run's: a subtracted start doubles it, pushed factors and heads add up."""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A real run of one round on the embedded model."""
    folder = tmp_path_factory.mktemp("real") / "run"
    small = {"num-server-rounds": 1, "task.max-train-rows": 96, "task.max-validation-rows": 32, "client.threads": 1}
    inline.run_in_process({**small, "output-dir": str(folder)}, 2)
    return folder


@torch.inference_mode()
def logits(model) -> torch.Tensor:
    return logits_fn(model.eval(), pad(tiny_features(5)))


@pytest.mark.parametrize(("family", "method"), CASES)
def test_peft_and_a_plain_model_give_the_logits_of_the_run(family, method, tmp_path):
    run, assembly = finished(tmp_path, family, **METHOD_SETTINGS[method])
    said = said_by_export(run)
    assert (f"has rank {RANKS.get(method)}, the run adapter.rank = 3: it holds" in said) == (method in RANKS)
    base = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model", num_labels=2)
    before = logits(base)
    adapted = PeftModel.from_pretrained(base, run / "adapter")
    ours = logits(assembly.adapted.model)
    torch.testing.assert_close(logits(adapted), ours, rtol=1e-5, atol=1e-5)
    assert (ours - before).abs().max() > 0.01
    layers = [module for module in adapted.modules() if isinstance(module, LoraLayer)]
    assert len(layers) == sum(len(group.layers) for group in assembly.manifest.groups)
    assert {layer.scaling["default"] for layer in layers} == {1.0}
    assert {layer.r["default"] for layer in layers} == {RANKS.get(method, 3)}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_merged_folder_is_a_plain_model_with_the_logits_of_the_run(family, tmp_path):
    run, assembly = finished(tmp_path, family)
    ours = logits(load_run(run, CPU).assembly.adapted.model)
    export_run(run, None, True, CPU, print)
    merged = AutoModelForSequenceClassification.from_pretrained(run / "merged")
    torch.testing.assert_close(logits(merged), ours, rtol=1e-5, atol=1e-5)
    assert torch.equal(logits(assembly.adapted.model), ours)
    assert merged.config.id2label == {0: "false", 1: "true"}
    assert not list((run / "merged").glob("adapter*"))


def test_a_fresh_process_finds_the_logits_with_the_code_of_the_model_card(run, tmp_path):
    folder = tmp_path / "adapter"
    said = said_by_export(run, folder)
    assembly = load_run(run, CPU).assembly
    card = (folder / "README.md").read_text()
    code = card.split("```python\n")[1].split("```")[0]
    texts = [["a red dog runs", "a dog runs"], ["a dog runs in a park", "an animal runs"]]
    program = f"""{code}
import sys
rows = tokenizer({[a for a, _ in texts]}, {[b for _, b in texts]}, padding=True, return_tensors="pt")
print(model(**rows).logits.tolist())
assert not {{"florg_app", "clients", "strategies"}} & sys.modules.keys()
"""
    env = {**ENVIRONMENT, "PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = assembly.preprocessor(*map(list, zip(*texts, strict=True)), padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = assembly.adapted.model(**rows).logits
    torch.testing.assert_close(torch.tensor(json.loads(done.stdout)), expected, rtol=1e-5, atol=1e-5)
    assert f'PeftModel.from_pretrained(base, "{folder}")' in said


def test_the_model_card_says_what_the_run_says_and_no_place_of_this_machine(run, tmp_path):
    export_run(run, tmp_path / "adapter", False, CPU, print)
    card = (tmp_path / "adapter" / "README.md").read_text()
    final = json.loads((run / "summary.json").read_text())["final"]
    assert all(f"| {name} | {value} |" in card for name, value in final.items() if name != "round")
    assert "after round 1 of 1" in card
    assert 'strategy.name = "florg"' in card
    assert "0 = false, 1 = true" in card
    assert str(run) not in card
    assert str(tmp_path) not in card


def test_the_tokenizer_goes_with_the_adapter_and_no_results_where_the_run_has_none(tmp_path):
    run, assembly = finished(tmp_path)
    export_run(run, None, False, CPU, print)
    text = "a red dog runs in a park"
    assert AutoTokenizer.from_pretrained(run / "adapter")(text) == assembly.preprocessor(text)
    assert "Results" not in (run / "adapter" / "README.md").read_text()


@pytest.mark.parametrize("merged", [False, True])
def test_a_backbone_in_half_precision_keeps_its_adapter_and_head_whole(merged, tmp_path):
    run, assembly = finished(tmp_path, **{"model.dtype": "bfloat16"})
    said = said_by_export(run, merged=merged)
    assert 'dtype="bfloat16"' in said
    if not merged:
        saved = load_file(run / "adapter" / "adapter_model.safetensors")
        assert {tensor.dtype for tensor in saved.values()} == {torch.float32}
        head = assembly.adapted.model.get_parameter("classifier.weight")
        assert torch.equal(saved["base_model.model.classifier.weight"], head)


def test_an_update_that_is_not_low_rank_is_merged_and_it_is_said(tmp_path):
    run, _ = finished(tmp_path, **{"strategy.name": "fedex-lora"})
    said = said_by_export(run)
    assert "note: The update of fedex-lora is not low-rank" in said
    assert (run / "merged" / "model.safetensors").exists()
    assert not (run / "adapter").exists()


def test_what_clients_keep_for_themselves_is_said(tmp_path):
    run, _ = finished(tmp_path, **{"strategy.name": "fedsa-lora", "strategy.fedsa-lora.global-model": True})
    assert "note: Each client keeps its own B and head; this is the mean of what they reported." in said_by_export(run)


def test_what_does_not_give_the_logits_of_the_run_is_removed(tmp_path, monkeypatch):
    run, _ = finished(tmp_path)
    write = exporter.write_adapter

    def wrong(folder, base, factors, head, name, kind):
        write(folder, base, {layer: (2 * B_up, A_down) for layer, (B_up, A_down) in factors.items()}, head, name, kind)

    monkeypatch.setattr(exporter, "write_adapter", wrong)
    with pytest.raises(ExportError, match=r"differ from the run's by .*, where rounding explains"):
        export_run(run, None, False, CPU, print)
    assert [path.name for path in run.iterdir()] == [checkpoint_file.CHECKPOINT_FILE]
    assert CliRunner().invoke(app, ["export", str(run)]).exit_code == 1


def test_a_folder_that_exists_is_not_touched(tmp_path):
    run, _ = finished(tmp_path)
    (tmp_path / "mine").mkdir()
    with pytest.raises(ValueError, match="mine exists already; choose another"):
        export_run(run, tmp_path / "mine", False, CPU, print)
    assert not list((tmp_path / "mine").iterdir())


def test_the_commands_export_and_score_a_run(run, tmp_path):
    scored = CliRunner().invoke(app, ["evaluate", str(run), "--device", "cpu"])
    final = json.loads((run / "summary.json").read_text())["final"]
    assert scored.stdout.splitlines() == [
        "round: 1",
        *(f"{name}: {value:.4f}" for name, value in final.items() if name != "round"),
    ]
    exported = CliRunner().invoke(app, ["export", str(run), "--output", str(tmp_path / "out")])
    assert exported.exit_code == 0, exported.output
    assert f"wrote {tmp_path / 'out'}: LoRA adapter of rank 8 on 6 layers" in exported.output


@pytest.mark.parametrize("command", ["export", "evaluate"])
def test_the_commands_refuse_what_they_cannot_do(command, tmp_path):
    none = CliRunner().invoke(app, [command, str(tmp_path)])
    assert none.exit_code == 2
    assert "holds no checkpoint.safetensors" in none.output
    device = CliRunner().invoke(app, [command, str(tmp_path), "--device", "abacus"])
    assert device.exit_code == 2
    assert "--device abacus: expected auto | cpu | cuda | cuda:N" in device.output
