"""The command `florg compare`."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from florg_app.config.runconfig import find_app
from florg_app.terminal import interrupt, refuse

# Modules of the application are imported where they are used: `florg --help` would wait seconds for torch.


def compare_command(
    matrix: Annotated[Path, typer.Argument(help="TOML file of methods, variants and seeds, such as those of conf/.")],
    output: Annotated[
        Path | None, typer.Option(help="Folder of the comparison, new or begun.  [default: runs/NAME-OF-MATRIX]")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Cells at a time, each in its own process.")] = 1,
    config: Annotated[list[Path] | None, typer.Option(help="TOML file of settings for all cells.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE for all cells; {variant}, {label}, {task}, {model} are filled in."),
    ] = None,
    gpus_per_client: Annotated[float, typer.Option(min=0, help="Share of a GPU, where engine = simulation.")] = 0.0,
    app_dir: Annotated[Path | None, typer.Option("--app", help="Folder of the app.  [default: found]")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed cells again.")] = False,
    report_only: Annotated[bool, typer.Option("--report-only", help="Report what there is; run nothing.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what failed and where results are.")] = False,
) -> None:
    """Run a matrix of methods x variants x seeds, or what is missing of it, and report.

    Finished cells are never run again, failed ones only with --retry-failed. Exit status: 0 all cells finished,
    1 some failed, 2 unusable matrix, 130 stopped.
    """
    signal.signal(signal.SIGTERM, interrupt)
    folder = (output or Path("runs") / matrix.stem).absolute()
    say = (lambda text: None) if quiet else (lambda text: print(text, flush=True))
    try:
        if not report_only:
            app = find_app(app_dir or Path.cwd())
            planner = _planner(app, matrix, config or [], set_ or [])
            how = {"jobs": jobs, "gpus_per_client": gpus_per_client, "retry_failed": retry_failed, "quiet": quiet}
            _run(app, planner, folder, **how)
        failed = _report(folder, say)
    except ValueError as error:
        refuse(str(error))
    except KeyboardInterrupt:
        print(f"interrupted; the same command goes on from here: {folder}", file=sys.stderr)
        raise typer.Exit(130) from None
    for line in failed:
        print(f"failed: {line}", file=sys.stderr)
    print(f"{'finished with failures' if failed else 'finished'}: {folder}")
    raise typer.Exit(1 if failed else 0)


def _planner(app: Path, path: Path, files: list[Path], assignments: list[str]) -> Any:
    """The checked cells of a matrix. Raises ValueError with all that is wrong."""
    from florg_app.compare.matrix import cells, reading
    from florg_app.compare.matrix.matrix import MatrixError

    found = reading.read_matrix(path)
    planner = cells.Planner(found, cells.gather_layers(app, path, found, files, assignments))
    if problems := planner.problems():
        raise MatrixError(*problems)
    return planner


def _run(app: Path, planner: Any, folder: Path, **how: Any) -> None:
    """Run all that is missing. Raises ValueError where the folder cannot be used, or is in use."""
    from florg_app.compare.run import runner
    from florg_app.compare.run.status import MatrixStatus

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"the folder {folder} cannot be made: {error.strerror}; choose another --output") from error
    runner.run_matrix(MatrixStatus(planner, folder), runner.RunOptions(app, **how))


def _report(folder: Path, say: Callable[[str], None]) -> list[str]:
    """Report what is finished, and return what failed, in words. Raises ValueError where there is no comparison."""
    from florg_app.compare.report import write
    from florg_app.compare.run.disk import MATRIX
    from florg_app.compare.run.status import failures
    from florg_app.reports.json_text import read_json_object

    try:
        document = read_json_object(folder / MATRIX)
    except OSError as error:
        raise ValueError(f"{folder} holds no comparison: {MATRIX}: {error.strerror}") from error
    write.write_report(folder, say)
    return failures(document)
