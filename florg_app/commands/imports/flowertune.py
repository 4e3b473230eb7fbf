"""FlowerTune: [tool.flwr.app.config] of the pyproject.toml of flwrlabs' examples and templates for language models."""

from collections.abc import Mapping
from typing import Any

from florg_app.commands.imports.translation import (
    Becomes,
    Lost,
    Rule,
    Translation,
    batch_settings,
    by_rules,
    flag,
    task_of,
)

_ARGUMENTS = "train.training-arguments."
_LOGGING = "progress is one line a round here, and history.jsonl has the rest"
_FILES = "checkpoints are the rounds' own: checkpoint.every, checkpoint.keep"

FLOWERTUNE_RULES: Mapping[str, Rule] = {
    "model.name": Becomes("model.name", str),
    "model.quantization": Becomes("model.quantization", lambda bits: {4: "4bit", 8: "8bit", 0: "none"}[int(bits)]),
    "model.gradient-checkpointing": Becomes("train.gradient-checkpointing", flag),
    "model.lora.peft-lora-r": Becomes("adapter.rank", int),
    "model.lora.peft-lora-alpha": Becomes("adapter.alpha", float),
    "model.lora.peft-lora-dropout": Becomes("adapter.dropout", float),
    "model.lora.target-modules": Becomes("adapter.targets", lambda names: str(names or "")),
    "train.learning-rate-max": Becomes("train.learning-rate", float),
    "train.learning-rate-min": "the rate is the same in every round here; there it falls along a cosine to this one",
    "train.seq-length": Becomes("task.max-length", int),
    "train.save-every-round": Becomes("checkpoint.every", int),
    "train.evaluate-split": "validation rows are task.validation-share of the training rows, or their own file",
    f"{_ARGUMENTS}learning-rate": "train.learning-rate-max decides",
    f"{_ARGUMENTS}num-train-epochs": Becomes("train.epochs", int),
    f"{_ARGUMENTS}max-steps": Becomes("train.max-steps", int),
    f"{_ARGUMENTS}gradient-checkpointing": "model.gradient-checkpointing decides",
    f"{_ARGUMENTS}lr-scheduler-type": "the rate is constant in a round, but for train.warmup",
    f"{_ARGUMENTS}logging-steps": _LOGGING,
    f"{_ARGUMENTS}output-dir": "florg run --output",
    f"{_ARGUMENTS}save-steps": _FILES,
    f"{_ARGUMENTS}save-total-limit": _FILES,
    "strategy.fraction-fit": Becomes("fraction-train", float),
    "strategy.fraction-train": Becomes("fraction-train", float),
    "strategy.fraction-evaluate": "clients score the model where evaluate.on-clients = true, all that train",
    "num-server-rounds": Becomes("num-server-rounds", int),
}

_SIZE, _ACCUMULATED = f"{_ARGUMENTS}per-device-train-batch-size", f"{_ARGUMENTS}gradient-accumulation-steps"
_DATA = ("dataset.name", "static.dataset.name")


def from_flowertune(config: Mapping[str, Any], supernodes: int | None) -> Translation:
    """Translate the flat config; `supernodes`: of its federation, if it says. Raises ValueError."""
    read = (_SIZE, _ACCUMULATED, *_DATA)
    settings, lost = by_rules(config, FLOWERTUNE_RULES, read)
    dataset = next((str(config[key]) for key in _DATA if key in config), "")
    task, notes = task_of(dataset) if dataset else ({"task.name": "instruct"}, ())
    own = {
        "strategy.name": "fedit",  # FedAvg of LoRA's factors
        "partition.name": "iid",
        "train.optimizer": "adamw",
        "model.dtype": "bfloat16",
        **({} if "adapter.dropout" in settings else {"adapter.dropout": 0.075}),  # written in its models.py
        **task,
        **batch_settings(int(config.get(_SIZE, 8)), int(config.get(_ACCUMULATED, 1))),
    }
    if settings.get("train.max-steps", -1) != -1 and "train.epochs" in settings:
        lost.append(Lost(f"{_ARGUMENTS}num-train-epochs", settings.pop("train.epochs"), "max-steps decides there"))
    return Translation("FlowerTune", {**own, **settings}, tuple(lost), supernodes, notes)
