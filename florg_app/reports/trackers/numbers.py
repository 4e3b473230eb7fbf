"""The numbers of a round under flat names, as trackers show them. Pure."""

import math
from collections.abc import Mapping
from typing import Any

GROUPS = {
    "evaluation": "evaluation",
    "train": "train",
    "seconds": "seconds",
    "privacy": "privacy",
    "up": "up",
    "down": "down",
}
"""Tables of a round's record -> the first part of the names of their numbers."""


def round_numbers(record: Mapping[str, Any]) -> dict[str, float]:
    """Return every finite number of a record that is not of a single client: {"evaluation/accuracy": 0.9, ...}."""
    found: dict[str, Any] = {}
    for table, name in GROUPS.items():
        found |= {f"{name}/{key}": value for key, value in (record.get(table) or {}).items()}
    for how, scores in (record.get("own") or {}).items():
        found |= {f"own/{how}-{key}": value for key, value in scores.items()}
    for group, values in (record.get("diagnostics") or {}).items():
        found |= {f"diagnostics/{group}/{key}": value for key, value in values.items()}
    if "sampled" in record:
        counts = {"asked": "sampled", "accepted": "accepted", "rejected": "rejected"}
        found |= {f"clients/{name}": len(record.get(key) or ()) for name, key in counts.items()}
        found["clients/skipped-round"] = int(bool(record.get("skipped")))
    return {name: float(value) for name, value in found.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
