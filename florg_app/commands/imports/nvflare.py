"""NVFlare's llm_hf: a job's folder, one of its config_fed_*.json, or the command line of its job.py."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from florg_app.commands.imports.shell import flags
from florg_app.commands.imports.translation import Becomes, Lost, Rule, Translation, batch_settings, by_rules

_WHERE = "florg run --output"
_SITES = "each SuperNode names its rows in its node configuration: data-path, validation-path"
_START = "florg run, or a deployment (docs/deployment.md)"

NVFLARE_RULES: Mapping[str, Rule] = {
    "model_name_or_path": Becomes("model.name", str),
    "num_rounds": Becomes("num-server-rounds", int),
    "local_epoch": Becomes("train.epochs", int),
    "lr_scheduler": "the rate is constant in a round, but for train.warmup",
    "data_path": _SITES,
    "data_path_train": _SITES,
    "data_path_valid": _SITES,
    "output_path": _WHERE,
    "workspace_dir": _WHERE,
    "job_dir": _START,
    "quantize_mode": "numbers travel as float32",
    "message_mode": "numbers travel as float32",
    "threads": "florg run --threads-per-client",
    "gpu": "florg run --gpus-per-client",
    "ports": _START,
    "multi_node": _START,
    "startup_kit_location": _START,
    "username": _START,
    "wandb_project": 'report.trackers = "wandb"; its own variables say the rest',
    "wandb_run_name": 'report.trackers = "wandb"; its own variables say the rest',
    "use_tracking": 'report.trackers = "tensorboard"',
    "export_config": _START,
    "clean_up": _WHERE,
}

_READ = ("client_ids", "train_mode", "num_clients", "min_clients")

_BOTH = {"learning-rate": 5e-4, "max-grad-norm": 0.3, "gradient-checkpointing": True}
MODES: Mapping[str, Mapping[str, Any]] = {
    "sft": {"strategy.name": "fedavg", **batch_settings(2, 20)},
    "peft": {
        "strategy.name": "fedit",
        "adapter.rank": 64,
        "adapter.alpha": 16.0,
        "adapter.dropout": 0.1,
        **batch_settings(4, 10),
    },
}
"""What its client.py writes itself, by train_mode; beside it _BOTH, 1024 tokens and bfloat16."""


def from_nvflare(values: Mapping[str, Any]) -> Translation:
    """Translate the arguments of its job and of its clients. Raises ValueError."""
    mode = str(values.get("train_mode", "sft")).lower()
    if mode not in MODES:
        raise ValueError(f"train_mode = {values['train_mode']}: expected SFT or PEFT, as that program does")
    settings, lost = by_rules(values, NVFLARE_RULES, _READ)
    names = values.get("client_ids") or []
    names = names if isinstance(names, list) else [names]
    number = len(names) or int(values.get("num_clients") or values.get("min_clients") or 0)
    own = {
        **MODES[mode],
        **{f"train.{key}": value for key, value in _BOTH.items()},
        "model.dtype": "bfloat16",
        "task.name": "instruct",
        "task.max-length": 1024,
        "partition.name": "iid",
        "seed": 0,
        "evaluate.every": 0,
        **({"min-clients": number} if number else {}),
    }
    lost.append(
        Lost("(its prompt)", "### Instruction: … ### Input: … ### Response:", "prompts are those of docs/data.md")
    )
    lost.append(Lost("(its warmup)", 0.03, "of all steps there; train.warmup is a share of each round's"))
    sites = f" ({', '.join(map(str, names))})" if names else ""
    notes = (
        f"Each site{sites} has rows of its own: florg up (docs/deployment.md) makes such a federation; a simulation "
        "reads them with task.client-files.",
    )
    return Translation("NVFlare llm_hf", {**own, **settings}, tuple(lost), number or None, notes)


def job_values(documents: Mapping[str, Any]) -> dict[str, Any]:
    """What the files of a job say, by the names of its command line; several clients as client_ids."""
    found: dict[str, Any] = {}
    clients = 0
    for _, document in sorted(documents.items()):
        for key, value in _walked(document):
            if key in ("task_script_args", "train_args", "script_args") and isinstance(value, str):
                found |= flags(shlex.split(value))
                clients += 1
            elif key in ("num_rounds", "num_clients", "min_clients", "model_name_or_path") and value:
                found.setdefault(key, value)
            elif key == "quantization_type":
                found["quantize_mode"] = value
    if not found:
        raise ValueError(f"{', '.join(sorted(documents))}: nothing of an llm_hf job is in there")
    if clients > 1:
        found.setdefault("num_clients", clients)
    return found


def _walked(value: Any) -> Iterator[tuple[str, Any]]:
    """All keys and values at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _walked(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walked(inner)
