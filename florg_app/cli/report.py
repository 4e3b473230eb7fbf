"""The command `florg report`: one run, or several side by side, as a page and as Markdown."""

from pathlib import Path
from typing import Annotated

import typer

from florg_app.terminal import refuse

# Other modules of the application are imported where they are used: `florg --help` would wait seconds for torch.


def report_command(
    run_dirs: Annotated[list[Path], typer.Argument(help="Folders of runs, finished or not.", metavar="RUN...")],
    output: Annotated[
        Path | None, typer.Option(help="Folder of the report.  [default: the run's, of several `report`]")
    ] = None,
) -> None:
    """Report on a run, or on several side by side: report.html, which needs nothing else, and report.md.

    Exit status: 0 written, 2 one of them is no run, or the folder cannot be written.
    """
    from florg_app.pages.page_files import MARKDOWN, PAGE
    from florg_app.run_report.describe import write_run_report
    from florg_app.run_report.reported_run import read_reported_runs

    folder = output or (run_dirs[0] if len(run_dirs) == 1 else Path("report"))
    try:
        runs = read_reported_runs(run_dirs)
        write_run_report(folder, runs)
    except ValueError as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"the folder {folder} cannot be written: {error}; choose another --output")
    for run in runs:
        for text in run.damage:
            print(f"note: {run.label}: {text}")
    print("\n".join(str(folder / name) for name in (PAGE, MARKDOWN)))
