"""One model of a table, and its forms: Markdown, CSV and text. The page has its own, from the same model."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

ABSENT = "–"
EMPTY = "No entries."


@dataclass(frozen=True)
class TableCell:
    """What people read, and the values behind it, one for each field of the column."""

    text: str
    values: tuple[Any, ...]
    strong: bool = False
    number: bool = False


@dataclass(frozen=True)
class Column:
    title: str
    fields: tuple[str, ...]
    """Names of the columns of the CSV file that stand for this one."""


@dataclass(frozen=True)
class Table:
    """`name` is that of its CSV file; `notes` say how it was made."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    notes: tuple[str, ...] = field(default=())

    def only(self, *fields: str) -> "Table":
        """The columns whose first field is one of these."""
        kept = [index for index, column in enumerate(self.columns) if column.fields[0] in fields]
        rows = tuple(tuple(row[index] for index in kept) for row in self.rows)
        return replace(self, columns=tuple(self.columns[index] for index in kept), rows=rows)


def text_cell(text: object) -> TableCell:
    return TableCell(str(text), (text,))


def number_cell(text: str, *values: Any, strong: bool = False) -> TableCell:
    return TableCell(text, values, strong, number=True)


def absent_cell(num_fields: int = 1) -> TableCell:
    return TableCell(ABSENT, (None,) * num_fields, number=True)


def format_count(value: float | None) -> str:
    """A large number for people, three digits and a power of 1000: 8700000 -> "8.70 M"."""
    if value is None:
        return ABSENT
    for unit in ("", " k", " M", " G", " T", " P"):
        if abs(value) < 999.5 or unit == " P":
            break
        value /= 1000
    digits = 0 if not unit and value == round(value) else max(0, 3 - len(f"{abs(value):.0f}"))
    return f"{value:.{digits}f}{unit}"


def to_csv(table: Table) -> str:
    """Every value in full; an absent one is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([name for column in table.columns for name in column.fields])
    for row in table.rows:
        writer.writerow(["" if value is None else value for cell in row for value in cell.values])
    return buffer.getvalue()


def to_markdown(table: Table) -> str:
    """A pipe table; its title and notes are the document's."""
    if not table.rows:
        return f"{EMPTY}\n"
    numeric = [all(row[i].number for row in table.rows) for i in range(len(table.columns))]
    lines = [
        _line([markdown_text(column.title) for column in table.columns]),
        _line(["--:" if right else "---" for right in numeric]),
    ]
    lines += [
        _line([f"**{markdown_text(c.text)}**" if c.strong else markdown_text(c.text) for c in row])
        for row in table.rows
    ]
    return "\n".join(lines) + "\n"


def to_text(table: Table, width: int = 120) -> str:
    """As a terminal shows it."""
    from rich.box import SIMPLE_HEAD  # here, since only the end of a comparison needs it
    from rich.console import Console
    from rich.table import Table as TextTable
    from rich.text import Text

    texts = [[f"*{cell.text}*" if cell.strong else cell.text for cell in row] for row in table.rows]
    out = TextTable(box=SIMPLE_HEAD)
    for index, column in enumerate(table.columns):
        right = all(row[index].number for row in table.rows)
        # Headings may wrap, what is below them may not.
        longest = max((len(row[index]) for row in texts), default=0)
        out.add_column(column.title, justify="right" if right else "left", min_width=longest)
    for row in texts:
        out.add_row(*map(Text, row))
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(out)
    return "\n".join(line.rstrip() for line in capture.get().splitlines() if line.strip())


def markdown_text(text: str) -> str:
    """The text as Markdown shows it letter by letter, in one line."""
    for sign, escaped in (("\\", "\\\\"), ("|", "\\|"), ("*", "\\*"), ("_", "\\_"), ("`", "\\`"), ("<", "&lt;")):
        text = text.replace(sign, escaped)
    return " ".join(text.split())


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
