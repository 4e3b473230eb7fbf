"""One model of a table, and its forms: Markdown, CSV and text. The page has its own, from the same model."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

ABSENT = "–"
EMPTY = "No entries."

LONGEST_LABEL = 36
"""Characters of a cell that is never folded."""


@dataclass(frozen=True)
class TableCell:
    """What people read, and the values behind it, one for each field of the column."""

    text: str
    values: tuple[Any, ...]
    strong: bool = False
    number: bool = False
    kind: str = ""
    """A word for how it is coloured; what it says is said by its text too."""
    hint: str = ""
    """More words, where somebody asks for them."""


@dataclass(frozen=True)
class Column:
    title: str
    fields: tuple[str, ...]
    """Names of the columns of the CSV file that stand for this one."""


@dataclass(frozen=True)
class Table:
    """`name` is that of its CSV file; `notes` say how it was made, `legend` what its signs mean, in their hints."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    notes: tuple[str, ...] = field(default=())
    legend: tuple[TableCell, ...] = field(default=())

    @cached_property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold nothing but numbers."""
        return tuple(all(row[index].number for row in self.rows) for index in range(len(self.columns)))

    @cached_property
    def prose(self) -> tuple[bool, ...]:
        """Which columns hold sentences: all but these are too short to be folded."""
        longest = (max((len(row[i].text) for row in self.rows), default=0) for i in range(len(self.columns)))
        return tuple(length > LONGEST_LABEL for length in longest)

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
    lines = [
        _line([markdown_text(column.title) for column in table.columns]),
        _line(["--:" if right else "---" for right in table.numeric]),
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
        # Headings may wrap, what is below them may not.
        longest = max((len(row[index]) for row in texts), default=0)
        out.add_column(column.title, justify="right" if table.numeric[index] else "left", min_width=longest)
    for row in texts:
        out.add_row(*map(Text, row))
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(out)
    return "\n".join(line.rstrip() for line in capture.get().splitlines() if line.strip())


def markdown_text(text: str) -> str:
    """The text as Markdown shows it letter by letter, in one line."""
    return " ".join(_MARKDOWN_SIGNS.sub(lambda sign: _ENTITIES.get(sign[0], f"\\{sign[0]}"), text).split())


def legend_words(table: Table) -> str:
    """The signs of a table with what they mean, in one line."""
    return "   ".join(f"{cell.text} {cell.hint}" for cell in table.legend)


_MARKDOWN_SIGNS, _ENTITIES = re.compile(r"[\\|*_`\[\]<&]"), {"<": "&lt;", "&": "&amp;"}
"""Brackets too, of which links and pictures are made."""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
