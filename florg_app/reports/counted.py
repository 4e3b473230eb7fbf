"""Has any round of a run counted? One of which none has ended where it began, whatever its number of rounds."""

from collections.abc import Mapping, Sequence
from typing import Any

_REASONS = 3
"""Rejections that a message quotes."""


def nothing_counted(records: Sequence[Mapping[str, Any]], done: int) -> str:
    """Say why a run of `done` rounds has changed nothing; empty where a round counted, there was none, or is unknown.

    Rounds that the records lack may have counted.
    """
    rounds = [record for record in records if 0 < record["round"] <= done]
    if not rounds or len(rounds) < done or not all(record.get("skipped") for record in rounds):
        return ""
    accepted = any(record.get("accepted") for record in rounds)
    what = "no round counted" if accepted else "no upload was ever accepted"
    times = "its only round was skipped" if done == 1 else f"all {done} rounds were skipped, the last"
    return f"{what}: {times}: {rounds[-1]['skipped']}{_because(rounds[-1])}; the model is as it began"


def _because(record: Mapping[str, Any]) -> str:
    """Quote why replies of a round were not used, the same reason once."""
    found: dict[str, list[str]] = {}
    for rejected in record.get("rejected", ()):
        who = "a reply from nobody asked" if rejected["partition"] is None else f"partition {rejected['partition']}"
        found.setdefault(rejected["reason"], []).append(who)
    quoted = [f"{', '.join(who[:_REASONS])}{_more(len(who))}: {reason}" for reason, who in found.items()]
    return "".join(f"; {line}" for line in quoted[:_REASONS]) + (_more(len(quoted)) if quoted else "")


def _more(count: int) -> str:
    return f" and {count - _REASONS} more" if count > _REASONS else ""
