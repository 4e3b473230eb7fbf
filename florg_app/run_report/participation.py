"""Tables of who took part: a grid of partitions and rounds, and replies that were not used."""

from collections.abc import Mapping, Sequence

from florg_app.pages.tables import Column, Table, TableCell, number_cell, text_cell
from florg_app.reports.summary import Record
from florg_app.run_report.attendance import NOBODY_ASKED, Attendance, Presence, attendances, refusals
from florg_app.run_report.reported_run import ReportedRun

SIGNS: Mapping[Presence, tuple[str, str]] = {
    Presence.ACCEPTED: ("●", "accepted"),
    Presence.UNUSED: ("○", "accepted, but the round was skipped"),
    Presence.LATE: ("◔", "late"),
    Presence.REJECTED: ("✕", "rejected"),
    Presence.SILENT: ("?", "asked, nothing recorded"),
    Presence.IDLE: ("·", "not asked"),
}
"""Each presence's own sign, so that it is told without colour, and what it means."""

MOST_ROUNDS, MOST_CELLS = 200, 12_000
"""Columns of a grid, and its cells, so that a page of a large run can still be opened."""

_IDLE = Attendance(Presence.IDLE)


def participation_grid(run: ReportedRun, name: str, title: str) -> Table:
    """Make the grid: a row for each partition, a column for each round that asked anybody.

    Of a large run it has the newest rounds, and the partitions of which most was not used; the notes say so.
    """
    found = attendances(run.records)
    asking = [record["round"] for record in run.records if record.get("sampled")]
    rounds = asking[-MOST_ROUNDS:]
    kept = _partitions(found, MOST_CELLS // max(1, len(rounds)))
    rows = tuple((text_cell(p), *(_sign(p, t, found[p].get(t, _IDLE)) for t in rounds)) for p in kept)
    columns = (Column("partition", ("partition",)), *(Column(str(t), (f"round-{t}",)) for t in rounds))
    seen = {cell.kind for row in rows for cell in row[1:]}
    legend = tuple(TableCell(sign, (), kind=v, hint=words) for v, (sign, words) in SIGNS.items() if v in seen)
    return Table(name, title, columns, rows, _left_out(run.records, len(found) - len(kept), asking, rounds), legend)


def _partitions(found: Mapping[int, Mapping[int, Attendance]], most: int) -> list[int]:
    """So many partitions in order, those of which most was not used before the others."""
    unused = {p: sum(bool(one.reason) for one in by_round.values()) for p, by_round in found.items()}
    return sorted(sorted(found, key=lambda p: (-unused[p], p))[:most])


def _left_out(
    records: Sequence[Record], partitions: int, asking: Sequence[int], rounds: Sequence[int]
) -> tuple[str, ...]:
    skipped = [str(record["round"]) for record in records if record.get("skipped")]
    return (
        *([f"Skipped, so that the model stayed as it was: round {', '.join(skipped)}."] if skipped else []),
        *([f"{partitions} partitions of which less was left unused are not shown."] if partitions else []),
        *([f"{len(asking) - len(rounds)} earlier rounds are not shown."] if len(asking) > len(rounds) else []),
    )


def _sign(partition: int, t: int, one: Attendance) -> TableCell:
    sign, words = SIGNS[one.presence]
    hint = f"partition {partition}, round {t}: {words}" + (f": {one.reason}" if one.reason else "")
    return TableCell(sign, (one.presence.value,), kind=one.presence, hint=hint)


def refusal_table(runs: Sequence[ReportedRun]) -> Table:
    """List why replies were not used; the same reason of the same partition in one row, the most frequent first."""
    rounds: dict[tuple[str, str, str], list[int]] = {}
    for run in runs:
        for one in refusals(run.records):
            who = NOBODY_ASKED if one.partition is None else str(one.partition)
            rounds.setdefault((run.label, who, one.reason), []).append(one.t)
    several = len(runs) > 1
    columns = [Column("partition", ("partition",)), Column("times", ("times",)), Column("rounds", ("rounds",))]
    columns = [*([Column("run", ("run",))] if several else []), *columns, Column("reason", ("reason",))]
    rows = tuple(
        (
            *([text_cell(label)] if several else []),
            text_cell(who),
            number_cell(str(len(at)), len(at)),
            text_cell(_ranges(at)),
            text_cell(reason),
        )
        for (label, who, reason), at in sorted(rounds.items(), key=lambda item: -len(item[1]))
    )
    return Table("refusals", "Replies that were not used", tuple(columns), rows)


def _ranges(rounds: Sequence[int]) -> str:
    """Rounds for people: "1-3, 7"."""
    parts: list[list[int]] = []
    for t in sorted(set(rounds)):
        if parts and t == parts[-1][1] + 1:
            parts[-1][1] = t
        else:
            parts.append([t, t])
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in parts)
