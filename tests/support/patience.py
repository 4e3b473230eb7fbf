"""How long a test waits for other processes: as long as its own time limit allows, which is there for hangs alone.

All waits of a test draw on one budget, a little less than the limit after which pytest ends it, so that they fit into
it together and the one that hangs says what it waited for. The limit is many times what the slowest test takes where
other programs share the machine: no outcome depends on it.
"""

import subprocess
import time
import tomllib
from collections.abc import Callable
from typing import TypeVar

from tests.support.repository import REPOSITORY

Seen = TypeVar("Seen")

LIMIT = float(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["timeout"])
"""Seconds after which pytest ends a test."""

_SHARE = 0.9
"""Of the limit, what the waits may take; the rest is for saying what happened and for ending processes."""

_LOOK_SECONDS = 0.05

_deadline = time.monotonic() + _SHARE * LIMIT


def begin(limit: float = LIMIT) -> None:
    """Give the waits from now on a budget of their own."""
    global _deadline
    _deadline = time.monotonic() + _SHARE * limit


def left() -> float:
    """The seconds that a wait may still take, at least 1."""
    return max(1.0, _deadline - time.monotonic())


def until(what: str, look: Callable[[], Seen | None], running: subprocess.Popen | None = None) -> Seen:
    """What `look` returns as soon as that is true.

    Raises TimeoutError where the budget is used up, and RuntimeError where the process that should bring it about has
    ended before; both name what was waited for.
    """
    while True:
        status = None if running is None else running.poll()
        if seen := look():
            return seen
        if status is not None:  # it was polled before the look, which has seen all that the process left
            raise RuntimeError(f"the process ended with status {status} before {what}")
        if time.monotonic() > _deadline:
            raise TimeoutError(f"waited in vain until {what}")
        time.sleep(_LOOK_SECONDS)
