"""Can torch compute on the GPUs that are there, and are the devices that the settings name there?"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from clients.device import resolve_device
from florg_app.doctor.finding import Finding, finding_size

DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Cuda:
    """What torch and the system say about GPUs."""

    built: str | None
    """CUDA version that torch was built with; None for a torch without CUDA."""
    driver: bool
    """Whether the NVIDIA driver is loaded."""
    devices: tuple[tuple[str, int], ...]
    """(name, free bytes) of each device that torch can use."""


def look_at_cuda() -> Cuda:
    """The facts of this machine."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    devices = tuple((torch.cuda.get_device_name(i), torch.cuda.mem_get_info(i)[0]) for i in range(count))
    return Cuda(torch.version.cuda, DRIVER.exists(), devices)


def check_cuda(cuda: Cuda) -> Finding:
    """Whether torch makes use of what the machine has."""
    if cuda.devices:
        named = ", ".join(f"{name} ({finding_size(free)} free)" for name, free in cuda.devices)
        return Finding("ok", "CUDA", f"torch uses {named}")
    if not cuda.driver:
        return Finding("ok", "CUDA", "no NVIDIA driver; everything runs on the CPU")
    if cuda.built is None:
        remedy = "install torch from PyPI, without PIP_EXTRA_INDEX_URL"
        return Finding("warning", "CUDA", "the machine has an NVIDIA driver, but torch is built without CUDA", remedy)
    return Finding(
        "problem",
        "CUDA",
        f"torch is built with CUDA {cuda.built} and the NVIDIA driver is loaded, but torch can use no device",
        "compare the driver's version in nvidia-smi with what this CUDA needs; look at CUDA_VISIBLE_DEVICES",
    )


def check_devices(named: Mapping[str, str]) -> Finding:
    """Whether every device of the settings, by key, is there."""
    try:
        found = {key: str(resolve_device(device, key)) for key, device in named.items()}
    except ValueError as error:
        return Finding("problem", "devices", str(error), "choose another device")
    return Finding("ok", "devices", ", ".join(f"{key} = {device}" for key, device in found.items()))
