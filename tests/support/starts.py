"""Adapters of peft to begin a run from, and runs that stop before their first round."""

from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForSequenceClassification

from clients.seeding import scoped_seed
from florg_app.assembly import Assembly, assemble
from florg_app.config.parse import parse_settings
from tests.support.finished_runs import CPU, save_run
from tests.support.tiny_models import logits_fn, pad, tiny_features


@torch.inference_mode()
def start_logits(model) -> torch.Tensor:
    return logits_fn(model.eval(), pad(tiny_features(6)))


def peft_lora(folder: Path, model: Path, **changes) -> PeftModel:
    """An adapter that peft itself made, with random factors and a trained head, in a folder."""
    how = {"r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj"], "task_type": "SEQ_CLS"}
    with scoped_seed(4):
        base = AutoModelForSequenceClassification.from_pretrained(model, num_labels=2)
        adapted = get_peft_model(base, LoraConfig(**{**how, **changes}))
        for name, parameter in adapted.named_parameters():
            if "lora_" in name or "score" in name:
                torch.nn.init.normal_(parameter, std=0.3)
    adapted.save_pretrained(str(folder))
    return adapted


def start_settings(model: Path, folder: Path, **changes) -> dict:
    keys = {"model.name": str(model), "adapter.start-from": str(folder), "adapter.rank": 3, "client.threads": 1}
    return {**keys, "task.max-train-rows": 40, "task.max-validation-rows": 16, "partition.min-size": 2, **changes}


def begun_run(settings: dict, folder: Path) -> Assembly:
    """A run that stops before its first round, in a folder."""
    parsed = parse_settings(settings)
    assembly = assemble(parsed, CPU)
    save_run(folder, parsed, assembly, assembly.initial_state.select(assembly.manifest.held), 0)
    return assembly


def plain_classifier(model: Path):
    return AutoModelForSequenceClassification.from_pretrained(model, num_labels=2)
