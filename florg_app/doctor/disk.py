"""Can results be written, and is there room for them?"""

import os
import shutil
from pathlib import Path

from florg_app.doctor.finding import Finding, finding_size

LITTLE, NOTHING = 2_000_000_000, 100_000_000
"""Free bytes below which there is a warning, or a problem."""


def check_disk(folder: Path, free: int | None = None) -> Finding:
    """Whether `folder`, or the nearest one above it that exists, can be written and has room."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding("problem", "output", f"{there} cannot be written by this user", "choose another output-dir")
    free = shutil.disk_usage(there).free if free is None else free
    text = f"{finding_size(free)} free in {there}"
    if free >= LITTLE:
        return Finding("ok", "output", text)
    return Finding(
        "problem" if free < NOTHING else "warning", "output", text, "make room, or choose another output-dir"
    )
