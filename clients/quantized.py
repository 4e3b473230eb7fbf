"""Frozen backbones whose linear layers are kept in 8 or 4 bits, by bitsandbytes where it is installed."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import torch
from transformers import PreTrainedConfig

from clients.architectures import Head
from clients.targets import future_head_modules

KINDS: Mapping[str, Mapping[str, Any]] = {
    "8bit": {"load_in_8bit": True},  # LLM.int8(), arXiv 2208.07339
    "4bit": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},  # NormalFloat of QLoRA, arXiv 2305.14314
}
"""By `model.quantization`: settings of transformers' BitsAndBytesConfig."""

QUANTIZATION_PACKAGES = ("bitsandbytes", "accelerate")
"""Those of the extra `quantized`."""


def missing_packages() -> list[str]:
    """Those of PACKAGES that are not installed."""
    return [package for package in QUANTIZATION_PACKAGES if find_spec(package) is None]


def check_quantization(quantization: str, device: torch.device) -> None:
    """Raise ValueError where a quantised backbone cannot be had on this machine and device."""
    if quantization == "none":
        return
    if missing := missing_packages():
        raise ValueError(
            f'model.quantization = "{quantization}" needs {" and ".join(missing)}, not installed here: '
            "pip install 'florg-app[quantized]' (in the project's folder: pip install '.[quantized]'), on the server "
            'and on every client; or set it to "none"'
        )
    if device.type != "cuda":
        raise ValueError(
            f'model.quantization = "{quantization}" needs a CUDA device, not {device}: set client.device and '
            'server.device to "cuda" on machines with a GPU, or model.quantization = "none"'
        )


def quantization_options(
    quantization: str, head: Head, config: PreTrainedConfig, dtype: str, device: torch.device
) -> dict[str, Any]:
    """Arguments of `from_pretrained` that quantise the backbone and leave the task head as it is; {} for "none"."""
    if quantization == "none":
        return {}
    how = {**KINDS[quantization], **({"bnb_4bit_compute_dtype": dtype} if quantization == "4bit" else {})}
    if tops := future_head_modules(head, config):  # without any, transformers itself leaves out the language-model head
        how["llm_int8_skip_modules"] = tops
    return {"quantization_config": {"quant_method": "bitsandbytes", **how}, "device_map": {"": str(device)}}
