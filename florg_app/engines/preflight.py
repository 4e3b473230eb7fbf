"""What a simulation needs of this machine: what is missing before it begins, what is scarce where it has failed."""

import os
import resource
import sys
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")

FEW_PROCESSES, FEW_FILES = 1000, 256
"""Limits below which a failure may well come of them; a small simulation still runs with less."""


def missing() -> str:
    """What Ray cannot begin without, in words; "" where all is there."""
    if sys.platform == "linux" and not SHARED_MEMORY.is_dir():
        return f"{SHARED_MEMORY} is missing, where Ray keeps messages: mount a tmpfs there, or run with --inline"
    return ""


def scarce() -> list[str]:
    """Limits of this process that are low, each as a line with what to do."""
    found = []
    processes, files = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE))
    if os.getuid() != 0 and 0 <= processes < FEW_PROCESSES:  # the kernel does not hold root to it
        found.append(f"{processes} processes and threads of this user (ulimit -u): raise it, or run with --inline")
    if 0 <= files < FEW_FILES:
        found.append(f"{files} open files of a process (ulimit -n): raise it, or simulate fewer clients at a time")
    return [f"it may have come of a low limit: {words}\n" for words in found]
