"""What a report consists of, whatever it is written as."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from florg_app.compare.report.tables import Table, markdown_text, to_markdown


@dataclass(frozen=True)
class Picture:
    """`name` is that of its file in figures/; `text` says in words what it shows."""

    name: str
    title: str
    text: str


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

    def tables(self) -> Iterator[Table]:
        """Every table that has a file."""
        for section in self.sections:
            yield from section.tables
        yield from self.data


def as_markdown(document: Document) -> str:
    """The whole document, with pictures and CSV files as relative links."""
    parts = [f"# {markdown_text(document.title)}", markdown_text(document.summary)]
    parts += [f"> **{markdown_text(alert)}**" for alert in document.alerts]
    for section in document.sections:
        parts.append(f"## {markdown_text(section.title)}")
        parts += [markdown_text(note) for note in section.notes]
        for table in section.tables:
            parts += [f"### {markdown_text(table.title)}", to_markdown(table).rstrip()]
            parts += [markdown_text(note) for note in table.notes]
            parts.append(f"[tables/{table.name}.csv](tables/{table.name}.csv)")
        for picture in section.pictures:
            parts.append(f"![{markdown_text(picture.title)}](figures/{picture.name}.png)")
            parts.append(markdown_text(picture.text))
    if document.data:
        parts.append("## Data")
        parts += [f"- {markdown_text(t.title)}: [tables/{t.name}.csv](tables/{t.name}.csv)" for t in document.data]
    return "\n\n".join(parts) + "\n"
