"""What depends on the device: which one, its precision, its memory."""

import resource
import sys
from pathlib import Path
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16", "float16"]

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")

_AUTOCAST = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def resolve_device(name: str, key: str) -> torch.device:
    """Find a device.

    Args:
        name: "auto" (the first GPU if there is one), "cpu", "cuda" or "cuda:N".
        key: the setting that names it, for the message.

    Raises:
        ValueError: this machine does not have it.

    Example:
        >>> resolve_device("cpu", "client.device")
        device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f'{key} = "{name}", but this machine has {torch.cuda.device_count()} CUDA device(s) that torch can use; '
            'set it to "auto" or "cpu"'
        )
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


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
    """Return the most memory held. CUDA: by torch, since the reset. CPU: by the process, since its start.

    On the CPU a `ResettablePeak` in the same process sets the mark back.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class ResettablePeak:
    """The most memory held since a reset, also on the CPU: what `peak_memory_bytes` cannot tell there.

    On CUDA by torch on the device. On Linux the resident size of the whole process, whose high-water mark in the kernel
    each reset sets back: a client in the same process sees its own peak since then. Elsewhere, or where the kernel
    refuses, unknown.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def reset(self) -> bool:
        """Begin a new measurement; False where that is impossible."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            return True
        try:
            _CLEAR.write_text("5")  # proc(5): "reset the peak resident set size to the process's current value"
        except OSError:
            return False
        return True

    def read(self) -> int | None:
        """Return the peak since the reset in bytes, None where nobody knows."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        try:
            marks = [line.split() for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
        except OSError:
            return None
        return int(marks[0][1]) * 1024 if marks else None
