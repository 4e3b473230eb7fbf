"""What a run leaves is where another begins: export, begin there with no round at all, export again."""

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification

from florg_app.assembly import assemble
from florg_app.config.parse import parse_settings
from strategies import METHODS
from tests.support.finished_runs import CPU, finished, plain_model, said_by_export
from tests.support.starts import begun_run, peft_lora, plain_classifier, start_logits, start_settings

LOW_RANK = {
    "florg": {},
    "florg from W0": {"strategy.florg.zero-start": True},
    "florg, one basis": {"strategy.florg.bases": "one"},
    "fedex-lora": {"strategy.fedex-lora.residual": "factored"},
    "fedsa-lora": {"strategy.fedsa-lora.global-model": True},
    "flora": {"strategy.flora.base": "factored"},
    "rac-lora": {"strategy.rac-lora.base": "factored"},
    "frlora": {"strategy.frlora.base": "factored"},
    **{
        name: {} for name in METHODS if name not in ("florg", "fedex-lora", "fedsa-lora", "flora", "rac-lora", "frlora")
    },
}
"""Settings of every method with which its update is a product of two factors; others are merged whole."""

ROUND_TRIPS = [name for name in LOW_RANK if name not in ("local", "slora", "fedavg", "fedprox", "fedftg")]
"""Those with a global model that a LoRA adapter can hold."""

WHOLE = {
    **{name: {} for name in ("slora", "fedavg", "fedprox", "fedftg", "fedex-lora", "frlora")},
    "flora": {"strategy.flora.base": "dense"},
    "rac-lora": {"strategy.rac-lora.base": "dense"},
    "fedit": {},
}
"""Settings with which the update is of any rank, so that the whole model is exported, and one that need not be."""

BEGIN_AT_W0 = [name for name in LOW_RANK if name not in ("florg", "florg, one basis")]
"""Settings with which the update is zero before round 1."""


def name_of(method: str) -> str:
    return method.split(",")[0].split()[0]


def keys_of(method: str) -> dict:
    return {"strategy.name": name_of(method), **LOW_RANK[method]}


@pytest.mark.parametrize("method", ROUND_TRIPS)
def test_what_was_exported_is_what_the_next_run_begins_with(method, tmp_path):
    """Export, start from that with no round at all, export: the same logits."""
    run, assembly = finished(tmp_path, "llama", **keys_of(method))
    said_by_export(run)
    first = start_logits(assembly.adapted.model)
    keys = {"adapter.targets": "q_proj,v_proj", **keys_of(method)}
    again = begun_run(start_settings(tmp_path / "model", run / "adapter", **keys), tmp_path / "next")
    assert again.start_distance < 1e-6
    said_by_export(tmp_path / "next")
    adapted = PeftModel.from_pretrained(plain_classifier(tmp_path / "model"), tmp_path / "next" / "adapter")
    torch.testing.assert_close(start_logits(adapted), first, rtol=1e-6, atol=1e-6)


def test_every_method_with_a_global_model_makes_the_round_trip():
    assert {name_of(method) for method in [*ROUND_TRIPS, *WHOLE]} == METHODS.keys() - {"local"}


@pytest.mark.parametrize("method", WHOLE)
def test_a_whole_model_that_was_exported_is_what_the_next_run_begins_with(method, tmp_path):
    """Export merged, name that as the model with no round at all, export merged: the same logits and classes."""
    run, assembly = finished(tmp_path, "llama", **{"strategy.name": method, **WHOLE[method]})
    said_by_export(run, merged=True)
    first = start_logits(assembly.adapted.model)
    keys = {"adapter.targets": "q_proj,v_proj", "strategy.name": method, **WHOLE[method]}
    again = begun_run({"model.name": str(run / "merged"), "adapter.rank": 3, **keys}, tmp_path / "next")
    assert again.drawn == again.notes == ()
    said_by_export(tmp_path / "next", merged=True)
    merged = AutoModelForSequenceClassification.from_pretrained(tmp_path / "next" / "merged")
    torch.testing.assert_close(start_logits(merged), first, rtol=1e-6, atol=1e-6)
    assert merged.config.id2label == {0: "false", 1: "true"}


@pytest.mark.parametrize("method", BEGIN_AT_W0)
def test_a_start_in_w0_is_exact_for_every_method(method, tmp_path):
    theirs = peft_lora(tmp_path / "lora", plain_model(tmp_path / "model", "llama"))
    keys = {"adapter.start-as": "merged", "adapter.targets": "q_proj,v_proj", **keys_of(method)}
    assembly = assemble(parse_settings(start_settings(tmp_path / "model", tmp_path / "lora", **keys)), CPU)
    assembly.load(assembly.initial_state, 1)
    assert assembly.start_distance is None
    torch.testing.assert_close(start_logits(assembly.adapted.model), start_logits(theirs), rtol=1e-6, atol=1e-6)
