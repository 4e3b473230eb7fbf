"""A PEFT LoRA folder of the factors of each layer, written by the peft library itself."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch
from peft import LoraConfig, TaskType, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from clients.architectures import Architecture
from clients.backbone import keep_head_in_float32
from strategies.bases.basis import Fixed
from strategies.manifest import Manifest
from strategies.parametrisation import PARAMETRISATIONS, Factors
from strategies.state import State

_PREFIX = "base_model.model."


def layer_factors(manifest: Manifest, state: State, fixed: Mapping[str, Fixed]) -> dict[str, Factors]:
    """B' (o, m) and A' (m, i) of every adapted layer by name, dW = B' A': computed in float64, kept in float32."""
    parametrisation = PARAMETRISATIONS[manifest.plan.adapter]
    layers: dict[str, Factors] = {}
    for group in manifest.groups:
        bases: Fixed = {symbol: value.to("cpu", torch.float64) for symbol, value in fixed[group.name].items()}
        constants = {symbol: value for symbol, value in bases.items() if isinstance(value, Tensor)}
        symbols = constants | {symbol: tensor.cpu().double() for symbol, tensor in state[group.name].items()}
        ups, downs = parametrisation.whole_factors(symbols, bases, manifest.scale)
        for name, B_up, A_down in zip(group.layers, ups.float(), downs.float(), strict=True):
            layers[name] = B_up, A_down
    return layers


def adapter_tensors(factors: Mapping[str, Factors], head: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What adapter_model.safetensors holds: lora_B = B' (o, m) and lora_A = A' (m, i) of each layer, and the head."""
    tensors = {f"{_PREFIX}{name}": value for name, value in head.items()}
    for name, (B_up, A_down) in factors.items():
        tensors[f"{_PREFIX}{name}.lora_A.weight"] = A_down
        tensors[f"{_PREFIX}{name}.lora_B.weight"] = B_up
    return tensors


def lora_config(
    factors: Mapping[str, Factors], head: Mapping[str, Tensor], transposed: bool, kind: Architecture
) -> LoraConfig:
    """peft's configuration of these layers. Alpha is the rank in each of them, which makes peft's own scale 1.

    transposed: whether the layers keep their weights as (i, o), as Conv1D does.
    """
    ranks = {name: A_down.shape[-2] for name, (_, A_down) in factors.items()}
    ((usual, _),) = Counter(ranks.values()).most_common(1)
    unusual = {name: rank for name, rank in ranks.items() if rank != usual}
    modules = {name.partition(".")[0] for name in head}
    return LoraConfig(
        task_type=None if kind.peft_task is None else TaskType(kind.peft_task),
        r=usual,
        lora_alpha=usual,
        rank_pattern=dict(unusual),
        alpha_pattern=dict(unusual),
        target_modules=list(factors),
        modules_to_save=sorted(modules - kind.peft_heads) or None,
        fan_in_fan_out=transposed,
    )


def write_adapter(
    folder: Path,
    base: PreTrainedModel,
    factors: Mapping[str, Factors],
    head: Mapping[str, Tensor],
    base_name: str,
    kind: Architecture,
) -> None:
    """Write adapter_config.json and adapter_model.safetensors; `base`, a plain model, is used up.

    head: all parameters and buffers of the task head by name. Raises ValueError where peft would save other tensors
    than these, which means that a name stands for more modules than it should.
    """
    keep_head_in_float32(base)
    base.name_or_path = base_name  # peft would put the place that the model was read from into its configuration
    transposed = any(isinstance(base.get_submodule(name), Conv1D) for name in factors)
    model = get_peft_model(base, lora_config(factors, head, transposed, kind))
    tensors = adapter_tensors(factors, head)
    places = get_peft_model_state_dict(model, save_embedding_layers=False)
    if different := sorted(tensors.keys() ^ places.keys()):
        raise ValueError(f"peft does not save what was trained; they differ in {', '.join(different)}")
    set_peft_model_state_dict(model, tensors)
    model.save_pretrained(str(folder), save_embedding_layers=False)
