"""A PEFT folder as an input: what its LoRA layers are on a model, read as the peft library means them."""

import hashlib
from copy import deepcopy
from pathlib import Path

import peft
import torch
from peft import LoraConfig, PeftConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import PreTrainedModel

from clients.adapter_folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS, BASE_CONFIG, PICKLED, PeftInput
from clients.linear import linear_shape

PEFT_PREFIX = "base_model.model."

UNDERSTOOD = frozenset(
    {
        *("peft_type", "task_type", "peft_version", "auto_mapping", "base_model_name_or_path", "revision"),
        *("inference_mode", "runtime_config", "r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern"),
        *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "fan_in_fan_out"),
        *("modules_to_save", "lora_dropout", "init_lora_weights", "megatron_core", "loftq_config", "eva_config"),
    }
)
"""Fields of a LoraConfig for which dW = s B A, or which only training asked; any other must be at its default."""

NEUTRAL_STARTS = (True, False, "gaussian", "eva", "orthogonal")
"""Values of init_lora_weights that leave W0 as it is."""

MERGE_IT = (
    "merge it into its model and name that: "
    "PeftModel.from_pretrained(model, FOLDER).merge_and_unload().save_pretrained(NEW)"
)
"""The remedy where an adapter cannot be read here."""


def read_peft(folder: Path, model: PreTrainedModel, key: str) -> PeftInput:
    """The adapter of a folder on the layers of a plain model, which stays as it is.

    key: what the folder is named by, for errors. Raises ValueError where it holds no LoRA adapter in safetensors, or
    one that is of another model, or whose dW is not s B A.
    """
    name = f'{key} = "{folder}"'
    config, tensors = _config(folder, name), _tensors(folder, name)
    scales = _scales(config, model, name)
    factors: dict[str, tuple[Tensor, Tensor]] = {}
    digest = hashlib.sha256()
    for layer, (scale, o, i) in scales.items():
        up, down = (tensors.pop(f"{layer}.lora_{side}.weight", None) for side in "BA")
        if up is None or down is None or (up.shape[0], down.shape[1]) != (o, i) or up.shape[1] != down.shape[0]:
            found = "is not in it" if up is None or down is None else f"is {tuple(up.shape)} x {tuple(down.shape)}"
            wanted = f"{layer}, a layer ({o}, {i}) of {type(model).__name__}"
            raise ValueError(f"{name} is an adapter of another model: {wanted}, {found}; {_its_model(config)}")
        factors[layer] = (scale * up.float()).contiguous(), down.float().contiguous()
        for tensor in (up, down):
            digest.update(f"{layer} {scale} {tuple(tensor.shape)}".encode() + tensor.float().numpy().tobytes())
    if foreign := sorted(tensor for tensor in tensors if "lora_" in tensor):
        raise ValueError(
            f"{name}: {type(model).__name__} has no linear layer for its {foreign[0]}; {_its_model(config)}"
        )
    for tensor in sorted(tensors):
        digest.update(tensor.encode() + tensors[tensor].float().numpy().tobytes())
    kinds = dict.fromkeys((factors[layer][1].shape[0], scale) for layer, (scale, *_) in scales.items())
    return PeftInput(factors, tensors, tuple(kinds), digest.hexdigest()[:16])


def _config(folder: Path, name: str) -> LoraConfig:
    if not folder.is_dir():
        raise ValueError(
            f"{name}: no such folder on this machine; a run starts from a local folder with "
            f"{ADAPTER_CONFIG} and {ADAPTER_WEIGHTS} (of "
            "the hub: hf download NAME --local-dir FOLDER)"
        )
    if not (folder / ADAPTER_CONFIG).is_file():
        what = "holds a model and no adapter; name it in model.name" if (folder / BASE_CONFIG).is_file() else "is none"
        raise ValueError(f"{name}: expected a PEFT folder with {ADAPTER_CONFIG} and {ADAPTER_WEIGHTS}; this one {what}")
    try:
        config = PeftConfig.from_pretrained(str(folder))
    except Exception as error:
        raise ValueError(f"{name}: its {ADAPTER_CONFIG} cannot be read ({type(error).__name__}: {error})") from error
    if type(config) is not LoraConfig:
        raise ValueError(f"{name} is no LoRA adapter but {config.peft_type}; {MERGE_IT}")
    usual, given = LoraConfig().to_dict(), config.to_dict()
    odd = [field for field in sorted(given) if field not in UNDERSTOOD and given[field] != usual.get(field)]
    if config.init_lora_weights not in NEUTRAL_STARTS:
        odd.append("init_lora_weights")
    if odd:
        words = ", ".join(f"{field} = {given[field]!r}" for field in odd)
        raise ValueError(
            f"{name}: its {ADAPTER_CONFIG} has {words}, with which it is more than s B A beside W0; {MERGE_IT}"
        )
    return config


def _tensors(folder: Path, name: str) -> dict[str, Tensor]:
    if not (folder / ADAPTER_WEIGHTS).is_file():
        what = f"pickled ({PICKLED}), which is not read" if (folder / PICKLED).is_file() else "missing"
        raise ValueError(
            f"{name}: its weights are {what}; save it with peft's save_pretrained, which writes {ADAPTER_WEIGHTS}"
        )
    try:
        tensors = load_file(folder / ADAPTER_WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{name}: its {ADAPTER_WEIGHTS} is broken ({error}); fetch or save it again") from error
    return {key.removeprefix(PEFT_PREFIX): tensor for key, tensor in tensors.items()}


def _scales(config: LoraConfig, model: PreTrainedModel, name: str) -> dict[str, tuple[float, int, int]]:
    """(scale, o, i) of each layer that peft would adapt, found on a copy of the model without weights."""
    config = deepcopy(config)
    config.task_type, config.modules_to_save, config.init_lora_weights = None, None, False
    try:
        with torch.device("meta"):
            hollow = inject_adapter_in_model(config, type(model)(model.config))
    except Exception as error:
        raise ValueError(
            f"{name}: peft {peft.__version__} cannot put it on {type(model).__name__} ({type(error).__name__}: "
            f"{error}); {_its_model(config)}"
        ) from error
    layers = {place: layer for place, layer in hollow.named_modules() if isinstance(layer, LoraLayer)}
    return {
        place: (float(layer.scaling["default"]), *linear_shape(layer.get_base_layer()))
        for place, layer in layers.items()
        if "default" in layer.lora_A
    }


def _its_model(config: LoraConfig) -> str:
    return f"name the model that it was trained on in model.name ({config.base_model_name_or_path})"
