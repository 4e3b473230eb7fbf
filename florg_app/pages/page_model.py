"""What a report consists of, whatever it is written as."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from florg_app.pages.tables import Table, legend_words, markdown_text, to_markdown


@dataclass(frozen=True)
class Picture:
    """`name` is that of its file in figures/; `text` says in words what it shows."""

    name: str
    title: str
    text: str
    across: int = 1
    """Panels side by side."""
    titled: bool = False
    """Its title is in it."""


Drawing = tuple[Picture, Callable[[], Figure]]
"""A picture, and what draws it in the colours that matplotlib is told at the time."""


@dataclass(frozen=True)
class KeyFigure:
    """One of the few numbers that a reader looks for first."""

    title: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class ReportSection:
    title: str
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        return "-".join(self.title.lower().split())


@dataclass(frozen=True)
class Document:
    """`alerts` are what a reader must know before anything else; `data` are tables too long to be shown."""

    title: str
    summary: str
    alerts: tuple[str, ...]
    sections: tuple[ReportSection, ...]
    data: tuple[Table, ...] = field(default=())
    key_figures: tuple[KeyFigure, ...] = ()
    pictures_first: bool = False
    """Within a section."""

    def tables(self) -> Iterator[Table]:
        """Every table that has a file."""
        for section in self.sections:
            yield from section.tables
        yield from self.data


def as_markdown(document: Document) -> str:
    """The whole document, with pictures and CSV files as relative links."""
    parts = [f"# {markdown_text(document.title)}", markdown_text(document.summary)]
    parts += [f"> **{markdown_text(alert)}**" for alert in document.alerts]
    if document.key_figures:
        parts.append("\n".join(_key_figure(figure) for figure in document.key_figures))
    for section in document.sections:
        parts.append(f"## {markdown_text(section.title)}")
        parts += [markdown_text(note) for note in section.notes]
        tables = [part for table in section.tables for part in _table(table)]
        pictures = [part for picture in section.pictures for part in _picture(picture)]
        parts += pictures + tables if document.pictures_first else tables + pictures
    if document.data:
        parts.append("## Data")
        parts += [f"- {markdown_text(t.title)}: [tables/{t.name}.csv](tables/{t.name}.csv)" for t in document.data]
    return "\n\n".join(parts) + "\n"


def _key_figure(figure: KeyFigure) -> str:
    detail = f" ({markdown_text(figure.detail)})" if figure.detail else ""
    return f"- {markdown_text(figure.title)}: **{markdown_text(figure.value)}**{detail}"


def _table(table: Table) -> Iterator[str]:
    yield f"### {markdown_text(table.title)}"
    if table.legend and table.rows:
        yield markdown_text(legend_words(table))
    yield to_markdown(table).rstrip()
    yield from (markdown_text(note) for note in table.notes)
    yield f"[tables/{table.name}.csv](tables/{table.name}.csv)"


def _picture(picture: Picture) -> Iterator[str]:
    yield f"![{markdown_text(picture.title)}](figures/{picture.name}.png)"
    yield markdown_text(picture.text)
