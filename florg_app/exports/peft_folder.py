"""A PEFT LoRA folder of the factors of each layer, written by the peft library itself."""

from collections import Counter
from collections.abc import Collection, Mapping
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
from strategies.parametrisation import PARAMETRISATIONS, LayerFactors
from strategies.plan import Role
from strategies.state import Group, State, Tensors

_PREFIX = "base_model.model."


def layer_factors(manifest: Manifest, state: State, fixed: Mapping[str, Fixed]) -> LayerFactors:
    """B' (o, m) and A' (m, i) of every adapted layer by name, dW = B' A': computed in float64, kept in float32."""
    parametrisation = PARAMETRISATIONS[manifest.plan.adapter]
    layers: dict[str, tuple[Tensor, Tensor]] = {}
    for group in manifest.groups:
        bases: Fixed = {symbol: value.to("cpu", torch.float64) for symbol, value in fixed[group.name].items()}
        constants = {symbol: value for symbol, value in bases.items() if isinstance(value, Tensor)}
        symbols = constants | {symbol: tensor.cpu().double() for symbol, tensor in state[group.name].items()}
        symbols |= _not_begun(manifest, group)
        ups, downs = parametrisation.whole_factors(symbols, bases, manifest.scale)
        for name, B_up, A_down in zip(group.layers, ups.float(), downs.float(), strict=True):
            layers[name] = B_up, A_down
    return layers


def rank_in_words(
    manifest: Manifest, state: State, fixed: Mapping[str, Fixed], factors: LayerFactors, beside: LayerFactors
) -> str:
    """Why layers have a larger rank than the run's: what its widest one is made of; "" where none has.

    beside: the factors that an adapter merged into W0 has added to those of `layer_factors`.
    """
    widest = max(factors, key=lambda layer: factors[layer][1].shape[0])
    if factors[widest][1].shape[0] <= manifest.rank:
        return ""
    parts = []
    for group in manifest.groups:
        if widest in group.layers:
            symbols = {symbol: value for symbol, value in fixed[group.name].items() if isinstance(value, Tensor)}
            symbols |= state[group.name]
            rows = {
                what: [symbols[s].shape[axis] for s, axis in where if s in symbols] for what, where in _ROWS.items()
            }
            parts += [f"{sum(counts)} {what}" for what, counts in rows.items() if sum(counts)]
    if widest in beside:
        parts.append(f"{beside[widest][1].shape[0]} of the adapter that was merged into W0")
    rank = factors[widest][1].shape[0]
    return f"The adapter has rank {rank}, the run adapter.rank = {manifest.rank}: it holds {', '.join(parts)}."


_ROWS: Mapping[str, tuple[tuple[str, int], ...]] = {
    "that were trained": (("A", -2),),
    "to take away what the run began with": (("A1", -2), ("A0", -2)),
    "that the server added": (("V", -2),),
}
"""By what they are for: symbols, and the axis of their rank, that make up the factors of a layer."""


def _not_begun(manifest: Manifest, group: Group) -> Tensors:
    """Factors that each round begins anew, and add nothing before it: those of rank 0."""
    plan = manifest.plan
    if plan.named(Role.SHARED) or not plan.named(Role.FRESH):
        return {}
    shapes = PARAMETRISATIONS[plan.adapter].shapes(group, 0)
    return {
        symbol: torch.zeros(len(group.layers), *(size or 0 for size in shapes[symbol]), dtype=torch.float64)
        for symbol in plan.named(Role.FRESH, Role.FIXED)
    }


WholeModules = Mapping[str, Mapping[str, Tensor]]
"""Modules that are kept whole, the task head among them: by qualified name their tensors, buffers too, by name."""


def adapter_tensors(factors: LayerFactors, whole: WholeModules) -> dict[str, Tensor]:
    """What adapter_model.safetensors holds: lora_B = B' (o, m) and lora_A = A' (m, i) of each layer, whole modules."""
    tensors = {f"{_PREFIX}{module}.{name}": value for module, own in whole.items() for name, value in own.items()}
    for name, (B_up, A_down) in factors.items():
        tensors[f"{_PREFIX}{name}.lora_A.weight"] = A_down
        tensors[f"{_PREFIX}{name}.lora_B.weight"] = B_up
    return tensors


def lora_config(factors: LayerFactors, modules: Collection[str], transposed: bool, kind: Architecture) -> LoraConfig:
    """peft's configuration of these layers. Alpha is the rank in each of them, which makes peft's own scale 1.

    modules: those that are kept whole; transposed: whether the layers keep their weights as (i, o), as Conv1D does.
    """
    ranks = {name: A_down.shape[-2] for name, (_, A_down) in factors.items()}
    ((usual, _),) = Counter(ranks.values()).most_common(1)
    unusual = {name: rank for name, rank in ranks.items() if rank != usual}
    return LoraConfig(
        task_type=None if kind.peft_task is None else TaskType(kind.peft_task),
        r=usual,
        lora_alpha=usual,
        rank_pattern=dict(unusual),
        alpha_pattern=dict(unusual),
        target_modules=list(factors),
        modules_to_save=sorted({*modules} - kind.peft_heads) or None,
        fan_in_fan_out=transposed,
    )


def write_adapter(
    folder: Path,
    base: PreTrainedModel,
    factors: LayerFactors,
    whole: WholeModules,
    base_name: str,
    kind: Architecture,
) -> None:
    """Write adapter_config.json and adapter_model.safetensors; `base`, a plain model, is used up.

    Raises ValueError where peft would save other tensors than these, which means that a name stands for more modules
    than it should.
    """
    keep_head_in_float32(base)
    base.name_or_path = base_name  # peft would put the place that the model was read from into its configuration
    transposed = any(isinstance(base.get_submodule(name), Conv1D) for name in factors)
    model = get_peft_model(base, lora_config(factors, whole, transposed, kind))
    tensors = adapter_tensors(factors, whole)
    places = get_peft_model_state_dict(model, save_embedding_layers=False)
    if different := sorted(tensors.keys() ^ places.keys()):
        raise ValueError(f"peft does not save what was trained; they differ in {', '.join(different)}")
    set_peft_model_state_dict(model, tensors)
    model.save_pretrained(str(folder), save_embedding_layers=False)
