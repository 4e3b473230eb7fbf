"""What depends on the device: precision and memory."""

import resource
import sys
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16", "float16"]

_AUTOCAST = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def check_precision(precision: Precision, device: torch.device) -> None:
    """Raise ValueError where the device cannot compute in this precision."""
    if precision == "float16" and device.type != "cuda":
        raise ValueError(f"train.precision = 'float16' needs a CUDA device, not {device}; use bfloat16 or float32")
    if precision == "bfloat16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        name = torch.cuda.get_device_name(device)
        raise ValueError(f"train.precision = 'bfloat16': {name} does not have it; use float16 or float32")


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Matrix products in this precision; float32 leaves everything as it is."""
    return torch.autocast(device.type, dtype=_AUTOCAST[precision], enabled=precision != "float32")


def reset_peak_memory(device: torch.device) -> None:
    """Start a new measurement of the peak where the device can (CUDA)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_bytes(device: torch.device) -> int:
    """CUDA: the most that torch held since the reset. CPU: the largest resident size that the process ever had."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
