"""Writes what a comparison found: report.md, report.html, tables/*.csv and figures/*.png beside its matrix.json."""

from collections.abc import Callable, Mapping
from pathlib import Path

from florg_app.compare.report import provenance, scores
from florg_app.compare.report.communication import round_table
from florg_app.compare.report.costs import cost_table, seconds_table
from florg_app.compare.report.curve import curve_data
from florg_app.compare.report.figures import BYTES_PICTURE, EQUAL_BYTES_PICTURE, ROUNDS_PICTURE, draw_comparison
from florg_app.compare.report.results import FINISHED, Comparison, read_comparison
from florg_app.compare.report.targets import target_data, target_table
from florg_app.compare.report.tuning import tuning_table
from florg_app.compare.report.weights_table import weights_table
from florg_app.pages.page_files import FIGURES, MARKDOWN, PAGE, TABLES, write_document
from florg_app.pages.page_model import Document, Picture, ReportSection
from florg_app.pages.tables import to_text

_SAID = ("variant", "label", "seeds", "final-mean", "best-mean", "total-wire-bytes-per-round")
"""The columns of the main table that fit into a terminal."""


def write_report(directory: Path, say: Callable[[str], None] = print) -> None:
    """Report on the comparison in `directory` as far as it has come, and say its main table.

    Files of an earlier report are replaced, each at once. Raises ValueError where there is no comparison, and OSError.
    """
    comparison = read_comparison(directory)
    drawings = list(draw_comparison(comparison))
    document = describe_comparison(comparison, tuple(picture for picture, _ in drawings))
    write_document(directory, document, drawings)
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
