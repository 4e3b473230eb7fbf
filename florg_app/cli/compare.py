"""The command `florg compare`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from florg_app.cli.completion import complete_setting
from florg_app.config.runconfig import find_app
from florg_app.terminal import endure, interruptible, refuse

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
        typer.Option(
            "--set",
            help="KEY=VALUE for all cells; {variant}, {label}, {task}, {model} are filled in.",
            autocompletion=complete_setting,
        ),
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
    endure()
    folder = (output or Path("runs") / matrix.stem).absolute()
    say = (lambda text: None) if quiet else (lambda text: print(text, flush=True))
    with interruptible(f"the same command goes on from here: {folder}"):
        from florg_app.compare import steps

        try:
            if not report_only:
                app = find_app(app_dir or Path.cwd())
                planner = steps.plan_cells(app, matrix, config or [], set_ or [])
                options = {
                    "jobs": jobs,
                    "gpus_per_client": gpus_per_client,
                    "retry_failed": retry_failed,
                    "quiet": quiet,
                }
                steps.run_missing(app, planner, folder, **options)
            failed = steps.report_comparison(folder, say)
        except ValueError as error:
            refuse(str(error))
    for line in failed:
        print(f"failed: {line}", file=sys.stderr)
    print(f"{'finished with failures' if failed else 'finished'}: {folder}")
    raise typer.Exit(1 if failed else 0)
