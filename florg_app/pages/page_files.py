"""Writes a report: report.html, report.md, tables/*.csv and figures/*.png in one folder."""

from collections.abc import Sequence
from pathlib import Path

from clients.atomic_files import write_atomically
from florg_app.pages.html import as_html
from florg_app.pages.page_model import Document, Drawing, as_markdown
from florg_app.pages.plot_style import drawn
from florg_app.pages.tables import to_csv

MARKDOWN, PAGE, TABLES, FIGURES = "report.md", "report.html", "tables", "figures"


def write_document(directory: Path, document: Document, drawings: Sequence[Drawing]) -> None:
    """Write every form of a document; files of an earlier report are replaced, each at once. Raises OSError."""
    for folder in (TABLES, FIGURES):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    for table in document.tables():
        _write_text(directory / TABLES / f"{table.name}.csv", to_csv(table))
    pictures = {}
    for picture, draw in drawings:
        pictures[picture.name] = found = drawn(draw)
        write_atomically(directory / FIGURES / f"{picture.name}.png", lambda path, png=found.png: path.write_bytes(png))
    _write_text(directory / MARKDOWN, as_markdown(document))
    _write_text(directory / PAGE, as_html(document, pictures))


def _write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
