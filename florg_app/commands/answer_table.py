"""Answers of a model beside what it was asked, for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text


def answer_table(
    rows: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]], columns: Sequence[str]
) -> Table:
    """One line for each row: what was asked in `columns`, and what the model says."""
    told = [name for name, value in answers[0].items() if not isinstance(value, Mapping)]
    shown = [name for name in columns if any(name in row for row in rows)] or list(rows[0])
    table = Table(*map(escape, (*shown, *told)))
    for row, answer in zip(rows, answers, strict=True):
        table.add_row(*(Text(_cell(row.get(name))) for name in shown), *(Text(_cell(answer[name])) for name in told))
    return table


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
