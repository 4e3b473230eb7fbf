"""Tables with a column for each run; of a single run, with a column for each aspect of what is measured."""

from collections.abc import Callable, Sequence
from typing import Any

from florg_app.pages.tables import Column, Table, TableCell, absent_cell, number_cell, text_cell
from florg_app.run_report.reported_run import ReportedRun

RunReader = Callable[[ReportedRun], Any]
"""Takes a value of a run; None where it has none."""
Row = tuple[str, str, RunReader, Callable[[Any], str]]
"""What is measured, which aspect of it, how it is read, and how it is written."""


def runs_table(
    name: str, title: str, runs: Sequence[ReportedRun], rows: Sequence[Row], notes: tuple[str, ...] = ()
) -> Table:
    """Make the table; what no run has is left out."""
    there = [(what, aspect, [_cell(read(run), write) for run in runs]) for what, aspect, read, write in rows]
    there = [row for row in there if any(cell.values != (None,) for cell in row[2])]
    if len(runs) == 1:
        return _of_one(name, title, {(what, aspect): cell for what, aspect, (cell,) in there}, notes)
    cells = tuple((text_cell(", ".join(filter(None, row[:2]))), *row[2]) for row in there)
    return Table(name, title, (Column("", ("what",)), *run_columns(runs)), cells, notes)


def _of_one(name: str, title: str, found: dict[tuple[str, str], TableCell], notes: tuple[str, ...]) -> Table:
    aspects = list(dict.fromkeys(aspect for _, aspect in found))
    columns = [Column(aspect, (aspect.replace(" ", "-") or "value",)) for aspect in aspects]
    rows = tuple(
        (text_cell(what), *(found.get((what, aspect), absent_cell()) for aspect in aspects))
        for what in dict.fromkeys(what for what, _ in found)
    )
    return Table(name, title, (Column("", ("what",)), *columns), rows, notes if rows else ())


def run_columns(runs: Sequence[ReportedRun]) -> list[Column]:
    """One for each run; that of a single one needs no name."""
    return [Column(run.label if len(runs) > 1 else "value", (run.label,)) for run in runs]


def _cell(value: Any, write: Callable[[Any], str]) -> TableCell:
    if value is None:
        return absent_cell()
    return text_cell(value) if isinstance(value, str) else number_cell(write(value), value)
