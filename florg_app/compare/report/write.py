"""Writes what a comparison found: report.md, report.html, tables/*.csv and figures/*.png beside its matrix.json."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from clients.atomic_files import write_atomically
from florg_app.compare.report import provenance, scores
from florg_app.compare.report.communication import round_table
from florg_app.compare.report.costs import cost_table, seconds_table
from florg_app.compare.report.curve import curve_data
from florg_app.compare.report.figures import BYTES_PICTURE, EQUAL_BYTES_PICTURE, ROUNDS_PICTURE, draw_comparison
from florg_app.compare.report.html import as_html
from florg_app.compare.report.report_model import Document, Picture, ReportSection, as_markdown
from florg_app.compare.report.results import FINISHED, Comparison, read_comparison
from florg_app.compare.report.tables import to_csv, to_text
from florg_app.compare.report.targets import target_data, target_table
from florg_app.compare.report.tuning import tuning_table
from florg_app.compare.report.weights_table import weights_table

MARKDOWN, PAGE, TABLES, FIGURES = "report.md", "report.html", "tables", "figures"

_SAID = ("variant", "label", "seeds", "final-mean", "best-mean", "total-wire-bytes-per-round")
"""The columns of the main table that fit into a terminal."""


def write_report(directory: Path, say: Callable[[str], None] = print) -> None:
    """Report on the comparison in `directory` as far as it has come, and say its main table.

    Files of an earlier report are replaced, each at once. Raises ValueError where there is no comparison, and OSError.
    """
    comparison = read_comparison(directory)
    pictures = list(draw_comparison(comparison))
    document = describe_comparison(comparison, tuple(picture for picture, _ in pictures))
    for folder in (TABLES, FIGURES):
        (directory / folder).mkdir(exist_ok=True)
    for table in document.tables():
        _write_text(directory / TABLES / f"{table.name}.csv", to_csv(table))
    drawings = {}
    for picture, figure in pictures:
        path = directory / FIGURES / f"{picture.name}.png"
        write_atomically(path, lambda temporary, figure=figure: figure.savefig(temporary, format="png"))
        figure.set_layout_engine("none")  # what the first drawing arranged holds for the second
        drawings[picture.name] = _svg(figure)
    _write_text(directory / MARKDOWN, as_markdown(document))
    _write_text(directory / PAGE, as_html(document, drawings))
    _tell(directory, comparison, document, say)


def describe_comparison(comparison: Comparison, pictures: tuple[Picture, ...] = ()) -> Document:
    """Everything that the report says, in order; of the pictures, where they belong."""
    problems = provenance.problem_table(comparison)
    sections = [ReportSection("Problems", (problems,))] if problems.rows else []
    if comparison.groups():
        sections += _results(comparison, {picture.name: picture for picture in pictures})
    if comparison.tuned:
        sections.append(ReportSection("Tuning", (tuning_table(comparison),)))
    origin = (provenance.environment_table, provenance.differing_settings, provenance.common_settings)
    sections.append(ReportSection("How it was run", tuple(table(comparison) for table in origin)))
    finished = sum(cell.status == FINISHED for cell in comparison.cells)
    summary = (
        f"{len(comparison.labels)} labels, {len(comparison.targets)} variants, {len(comparison.seeds)} seeds: "
        f"{finished} of {len(comparison.cells)} cells finished. Metric: {comparison.metric}."
    )
    data = (target_data(comparison), curve_data(comparison)) if comparison.groups() else ()
    return Document(comparison.name, summary, provenance.alerts(comparison), tuple(sections), data)


def _results(comparison: Comparison, pictures: Mapping[str, Picture]) -> list[ReportSection]:
    def those(*wanted: Picture) -> tuple[Picture, ...]:
        return tuple(pictures[picture.name] for picture in wanted if picture.name in pictures)

    several = len(comparison.targets) > 1
    tables = (scores.main_table(comparison), *((scores.overview(comparison),) if several else ()))
    return [
        ReportSection("Scores", (*tables, scores.difference_table(comparison)), those(ROUNDS_PICTURE)),
        ReportSection(
            "Communication",
            (target_table(comparison), round_table(comparison)),
            those(BYTES_PICTURE, EQUAL_BYTES_PICTURE),
        ),
        ReportSection("Cost", (cost_table(comparison), seconds_table(comparison))),
        ReportSection("Weights", (weights_table(comparison),)),
    ]


def _tell(directory: Path, comparison: Comparison, document: Document, say: Callable[[str], None]) -> None:
    if comparison.groups():
        said = scores.main_table(comparison).only(*_SAID)
        say(to_text(said))
        for line in scores.legend(said):
            say(line)
    for alert in document.alerts:
        say(alert)
    for name in (PAGE, MARKDOWN, f"{TABLES}/", f"{FIGURES}/"):
        say(str(directory / name))


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "florg"}):  # the same picture has the same bytes
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
