"""What the server's part of a round costs: operations and memory, measured over its phases as they come and go."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from strategies.flops import counter

SERVER_FLOPS, SERVER_PEAK = "server-flops", "server-peak-memory-bytes"
_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


class CostMeter:
    """Adds up the phases of one round: uploads are folded in between waits, which are not measured.

    server-flops: as `strategies.flops` counts them. server-peak-memory-bytes: the most that was held during any phase,
    what was held before it included (state, uploads, model). On CUDA by torch on the device. On Linux the resident size
    of the whole process, whose high-water mark in the kernel each phase resets: a client in the same process sees its
    own peak since then. Elsewhere, or where the kernel refuses, None.
    """

    def __init__(self, device: torch.device, wanted: bool = True) -> None:
        """Not `wanted`: nothing is measured, nothing reported, and a phase costs nothing."""
        self._device, self._wanted = device, wanted
        self._flops = 0
        self._peaks: list[int | None] = []

    @contextmanager
    def phase(self) -> Iterator[None]:
        """Measure the block as a further part of the round; an error in it passes."""
        if not self._wanted:
            yield
            return
        can = _reset_peak(self._device)
        with counter() as mode:
            yield
        self._flops += int(mode.get_total_flops())
        self._peaks.append(_peak(self._device) if can else None)

    def as_dict(self) -> dict[str, int | None]:
        """Both numbers so far, for the round's record; {} where they are not wanted."""
        if not self._wanted:
            return {}
        known = [peak for peak in self._peaks if peak is not None]
        whole = bool(known) and len(known) == len(self._peaks)
        return {SERVER_FLOPS: self._flops, SERVER_PEAK: max(known) if whole else None}


def _reset_peak(device: torch.device) -> bool:
    """Whether a new measurement of the peak has begun."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return True
    try:
        _CLEAR.write_text("5")  # proc(5): "reset the peak resident set size to the process's current value"
    except OSError:
        return False
    return True


def _peak(device: torch.device) -> int | None:
    """Since the reset."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        found = [line.split() for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
    except OSError:
        return None
    return int(found[0][1]) * 1024 if found else None
