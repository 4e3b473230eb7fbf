"""OpenFedLLM (arXiv 2402.06954): the command line of its main_sft.py, or the args.json that a run leaves."""

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

_FILES = "checkpoints are the rounds' own: checkpoint.every, checkpoint.keep"
_SERVER_OPTIMIZER = "of server optimizers, which fed_alg names there"

OPENFEDLLM_RULES: Mapping[str, Rule] = {
    "model_name_or_path": Becomes("model.name", str),
    "learning_rate": Becomes("train.learning-rate", float),
    "seq_length": Becomes("task.max-length", int),
    "trust_remote_code": Becomes("model.trust-remote-code", flag),
    "peft_lora_r": Becomes("adapter.rank", int),
    "peft_lora_alpha": Becomes("adapter.alpha", float),
    "max_steps": Becomes("train.max-steps", int),
    "gradient_checkpointing": Becomes("train.gradient-checkpointing", flag),
    "seed": Becomes("seed", int),
    "dataset_sample": Becomes("task.max-train-rows", int),
    "num_rounds": Becomes("num-server-rounds", int),
    "split_strategy": Becomes("partition.name", lambda name: {"iid": "iid"}[name]),
    "log_with": "report.trackers names trackers of the server",
    "output_dir": "florg run --output",
    "logging_steps": "progress is one line a round here, and history.jsonl has the rest",
    "save_steps": _FILES,
    "save_total_limit": _FILES,
    "save_model_freq": _FILES,
    "push_to_hub": "florg push, after the run",
    "hub_model_id": "florg push, after the run",
    "use_auth_token": "the hub's own token is used: hf auth login",
    "template": "prompts are those of the tokenizer's chat template, or the plain one of docs/data.md",
    "local_data_dir": "task.path is the folder of the rows",
    "dpo_beta": "preferences are not learned here",
    "prox_mu": "of FedProx on LoRA, which is not here; `fedprox` here is on whole weights",
    "fedopt_tau": _SERVER_OPTIMIZER,
    "fedopt_eta": _SERVER_OPTIMIZER,
    "fedopt_beta1": _SERVER_OPTIMIZER,
    "fedopt_beta2": _SERVER_OPTIMIZER,
}

OPENFEDLLM_DEFAULTS: Mapping[str, Any] = {
    "fed_alg": "fedavg",
    "num_rounds": 500,
    "num_clients": 2,
    "sample_clients": 2,
    "model_name_or_path": "meta-llama/Llama-2-7b-hf",
    "dataset_name": "lucasmccabe-lmi/CodeAlpaca-20k",
    "learning_rate": 2e-5,
    "batch_size": 16,
    "seq_length": 512,
    "gradient_accumulation_steps": 1,
    "load_in_8bit": False,
    "load_in_4bit": False,
    "use_peft": False,
    "peft_lora_r": 8,
    "peft_lora_alpha": 16,
    "max_steps": 10,
    "gradient_checkpointing": True,
    "seed": 2023,
    "dataset_sample": 20000,
}
"""Of its config.py: what a command line leaves out."""

METHODS_THERE = {"fedavg": "fedit"}
"""By fed_alg: the same on LoRA's factors here."""

_READ = (
    "fed_alg", "num_clients", "sample_clients", "dataset_name", "batch_size", "gradient_accumulation_steps",
    "load_in_8bit", "load_in_4bit", "use_peft", "num_train_epochs",
)  # fmt: skip


def from_openfedllm(given: Mapping[str, Any], method: str | None) -> Translation:
    """Translate the arguments; `method`: ours, where fed_alg has no counterpart. Raises ValueError."""
    values = {**OPENFEDLLM_DEFAULTS, **given}
    settings, lost = by_rules(values, OPENFEDLLM_RULES, _READ)
    clients, sampled = int(values["num_clients"]), int(values["sample_clients"])
    task, notes = task_of(str(values["dataset_name"]))
    bits = [number for number in ("8bit", "4bit") if flag(values[f"load_in_{number}"])]
    if len(bits) == 2:
        raise ValueError("load_in_8bit and load_in_4bit are both set, which that program refuses too; leave one")
    if "num_train_epochs" in given:
        lost.append(Lost("num_train_epochs", given["num_train_epochs"], "max_steps decides there"))
    lost.append(Lost("(its schedule)", "cosine", "the rate is the same in every round here; there it falls to 1e-6"))
    settings |= {
        "strategy.name": method or _method(str(values["fed_alg"]), flag(values["use_peft"])),
        "partition.name": "iid",
        "fraction-train": min(1.0, sampled / clients),
        "train.optimizer": "adamw",
        **({"model.quantization": bits[0], "model.dtype": "bfloat16"} if bits else {}),
        **({"adapter.dropout": 0.05} if flag(values["use_peft"]) else {}),
        **task,
        **batch_settings(int(values["batch_size"]), int(values["gradient_accumulation_steps"])),
    }
    return Translation("OpenFedLLM", settings, tuple(lost), clients, notes)


def _method(algorithm: str, uses_lora: bool) -> str:
    if not uses_lora and algorithm == "fedavg":
        return "fedavg"
    if algorithm not in METHODS_THERE or not uses_lora:
        raise ValueError(
            f"fed_alg = {algorithm}{'' if uses_lora else ', on whole weights'}: it is not here; choose a method of "
            "`florg methods` in its place with --method"
        )
    return METHODS_THERE[algorithm]
