"""A run while it goes on, for a terminal: the newest rounds as a table, how far it is, and how long it may take. Pure.

What rich shows is made of round records alone, so that every way of running has the same view.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from florg_app.reports.summary import Record, evaluation_line, format_bytes

if TYPE_CHECKING:
    from rich.console import RenderableType

SHOWN_ROUNDS, SHOWN_SCORES, RECENT = 12, 3, 5
"""Rows of the table, scores in it, and rounds whose mean duration tells the time that is left."""

WIDE = 100
"""Columns from which on all scores are shown."""

LATE = "no reply before the time-out"
"""The reason of a client that was too late."""


def counts(record: Record) -> tuple[int, int, int, int]:
    """(asked, accepted, late, rejected for another reason) of a round."""
    reasons = [rejected["reason"] for rejected in record.get("rejected", ())]
    late = sum(reason.startswith(LATE) for reason in reasons)
    return len(record.get("sampled", ())), len(record.get("accepted", ())), late, len(reasons) - late


def seconds_left(records: Sequence[Record], num_rounds: int | None) -> float | None:
    """Return what the rounds to come take if they are like the newest; None where nobody knows."""
    rounds = [record for record in records if record["round"] > 0]
    if num_rounds is None or not rounds:
        return None
    recent = fmean(sum(record.get("seconds", {}).values()) for record in rounds[-RECENT:])
    return recent * max(0, num_rounds - rounds[-1]["round"])


def duration(seconds: float) -> str:
    """Seconds for people: 3725 -> "1 h 2 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"


def progress_words(records: Sequence[Record], num_rounds: int | None) -> str:
    """Say how far a run is, in one line."""
    if not records:
        return "waiting for the first round"
    t = records[-1]["round"]
    sums = [sum(part) for part in zip(*(counts(record) for record in records), strict=True)]
    sent = " ".join(
        f"{way} {format_bytes(sum((record.get(way) or {}).get('wire-bytes', 0) for record in records))}"
        for way in ("up", "down")
    )
    left = seconds_left(records, num_rounds)
    parts = [
        f"round {t} of {'?' if num_rounds is None else num_rounds}",
        f"{sums[1]} accepted, {sums[2]} late, {sums[3]} rejected",
        sent,
        *([] if left is None or not left else [f"about {duration(left)} left"]),
    ]
    return "; ".join(parts)


def live_view(records: Sequence[Record], num_rounds: int | None, width: int) -> "RenderableType":
    """Make the view for a terminal of so many columns: newest rounds, a bar, and the line of `progress_words`."""
    from rich.console import Group

    t = records[-1]["round"] if records else 0
    scores = SHOWN_SCORES if width >= WIDE else 1
    return Group(_rounds_table(records, scores), progress_bar(t, num_rounds, progress_words(records, num_rounds)))


def progress_bar(t: int, num_rounds: int | None, words: str) -> "RenderableType":
    """Make a bar of the rounds that are done, with words below it."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    row = Table.grid()
    row.add_row(ProgressBar(total=num_rounds or None, completed=t, width=40, pulse=num_rounds is None))
    return Group(row, Text(words))


def _rounds_table(records: Sequence[Record], num_scores: int) -> "RenderableType":
    from rich.table import Table

    names = list(dict.fromkeys(name for record in records for name in evaluation_line(record)))[:num_scores]
    rows = [_cells(record, names) for record in records[-SHOWN_ROUNDS:]]
    table = Table(box=None, padding=(0, 1, 0, 0))
    heads = ["round", "clients", "late", "rejected", "train loss", *names, "up", "down", "seconds"]
    for index, head in enumerate(heads):
        longest = max((len(row[index]) for row in rows), default=0)  # headings may wrap, numbers may not
        table.add_column(head, justify="right", min_width=longest, overflow="fold")
    for record, row in zip(records[-SHOWN_ROUNDS:], rows, strict=True):
        table.add_row(*row, style="yellow" if record.get("skipped") or record.get("rejected") else None)
    return table


def _cells(record: Record, names: Sequence[str]) -> list[str]:
    asked, accepted, late, rejected = counts(record)
    scores = evaluation_line(record)
    sent = [format_bytes((record.get(way) or {}).get("wire-bytes", 0)) for way in ("up", "down")]
    seconds = sum(record.get("seconds", {}).values())
    clients = [f"{accepted}/{asked}" if asked else "-", str(late), str(rejected)]
    measured = [_number((record.get("train") or {}).get("loss")), *(_number(scores.get(name)) for name in names)]
    return [str(record["round"]), *clients, *measured, *sent, f"{seconds:.1f}"]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
