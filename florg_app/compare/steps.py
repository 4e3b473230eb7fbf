"""The three steps of a comparison: plan its cells, run those that are missing, report on what there is."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from florg_app.compare.matrix import cells, reading
from florg_app.compare.matrix.matrix import MatrixError
from florg_app.compare.report.write import write_report
from florg_app.compare.run import runner
from florg_app.compare.run.disk import MATRIX
from florg_app.compare.run.search import check_search
from florg_app.compare.run.status import MatrixStatus, failures
from florg_app.reports.json_text import read_json_object


def plan_cells(app: Path, matrix: Path, files: Sequence[Path], assignments: Sequence[str]) -> cells.Planner:
    """Read a matrix and check every cell that it asks for.

    Args:
        app: Folder of the Flower app, whose pyproject.toml holds the defaults.
        matrix: TOML file of methods, variants and seeds.
        files: TOML files of settings for all cells, later ones win.
        assignments: "key=value" for all cells, which win over files.

    Raises:
        MatrixError: With all that is wrong, before anything has run.
    """
    found = reading.read_matrix(matrix)
    if found.tune:
        check_search(found.tune)
    planner = cells.Planner(found, cells.gather_layers(app, matrix, found, files, assignments))
    if problems := planner.problems():
        raise MatrixError(*problems)
    return planner


def run_missing(app: Path, planner: cells.Planner, folder: Path, **options: Any) -> None:
    """Run the cells that `folder` has no result of; `options` are those of `RunOptions`.

    Raises:
        ValueError: Where the folder cannot be used, or another comparison is at work there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"the folder {folder} cannot be made: {error.strerror}; choose another --output") from error
    runner.run_matrix(MatrixStatus(planner, folder), runner.RunOptions(app, **options))


def report_comparison(folder: Path, say: Callable[[str], None]) -> list[str]:
    """Write the report on the finished cells and return the failed ones, each in one line.

    Raises:
        ValueError: Where the folder holds no comparison.
    """
    try:
        document = read_json_object(folder / MATRIX)
    except OSError as error:
        raise ValueError(f"{folder} holds no comparison: {MATRIX}: {error.strerror}") from error
    write_report(folder, say)
    return failures(document)
