"""Where the project lies, and the data it was developed with where they are."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

SHARED = Path(os.environ.get("FLORG_SHARED", REPOSITORY.parent / "shared"))
"""Folder of real data and small models; tests that need one of them skip where it is missing."""
