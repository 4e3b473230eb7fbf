"""Which processors this process can compute on, by name, so that seconds and memory can be read."""

import os
import platform
from collections import Counter
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")


def processors() -> dict[str, str]:
    """The CPU with its number of cores, and the GPUs where torch sees any: {"cpu": ..., "gpu": "2 x ..."}."""
    import torch  # here, since a summary is also read where nothing is computed

    found = {"cpu": f"{_cpu()}, {os.cpu_count()} cores"}
    gpus = Counter(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    if gpus:
        found["gpu"] = ", ".join(f"{number} x {name}" for name, number in gpus.items())
    return found


def _cpu() -> str:
    """The name that Linux gives it; elsewhere what Python knows."""
    lines = _CPU_INFO.read_text(encoding="utf-8").splitlines() if _CPU_INFO.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
