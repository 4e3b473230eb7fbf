"""What a report consists of, whatever it is written as."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from florg_app.compare.tables import Table, markdown, to_markdown


@dataclass(frozen=True)
class Picture:
    """`name` is that of its file in figures/; `text` says in words what it shows."""

    name: str
    title: str
    text: str


@dataclass(frozen=True)
class Section:
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
    sections: tuple[Section, ...]
    data: tuple[Table, ...] = field(default=())

    def tables(self) -> Iterator[Table]:
        """Every table that has a file."""
        for section in self.sections:
            yield from section.tables
        yield from self.data


def as_markdown(document: Document) -> str:
    """The whole document, with pictures and CSV files as relative links."""
    parts = [f"# {markdown(document.title)}", markdown(document.summary)]
    parts += [f"> **{markdown(alert)}**" for alert in document.alerts]
    for section in document.sections:
        parts.append(f"## {markdown(section.title)}")
        parts += [markdown(note) for note in section.notes]
        for table in section.tables:
            parts += [f"### {markdown(table.title)}", to_markdown(table).rstrip()]
            parts += [markdown(note) for note in table.notes]
            parts.append(f"[tables/{table.name}.csv](tables/{table.name}.csv)")
        for picture in section.pictures:
            parts.append(f"![{markdown(picture.title)}](figures/{picture.name}.png)")
            parts.append(markdown(picture.text))
    if document.data:
        parts.append("## Data")
        parts += [f"- {markdown(t.title)}: [tables/{t.name}.csv](tables/{t.name}.csv)" for t in document.data]
    return "\n\n".join(parts) + "\n"
