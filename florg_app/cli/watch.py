"""The command `florg watch`: a run that goes on elsewhere, or has ended, followed from its history."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from florg_app.terminal import INTERRUPTED, endure, interruptible, refuse

# Other modules of the application are imported where they are used: `florg --help` would wait seconds for torch.

LOOK_SECONDS = 1.0
"""Between two looks at the history."""


def watch_command(
    run_dir: Annotated[Path, typer.Argument(help="Folder of a run, which may still go on.")],
    plain: Annotated[
        bool, typer.Option("--plain", help="Lines instead of a live view.  [default without terminal]")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Show what there is, and do not wait for more.")] = False,
) -> None:
    """Follow a run from another terminal, by the history in its folder.

    Exit status: that of the run: 0 completed, 1 failed, 130 stopped; 2 there is no such run; with --once 0.
    """
    endure()
    if not run_dir.is_dir():
        refuse(f"{run_dir} is no folder of a run; give the one that `florg run` names, or output-dir on the server")
    with interruptible("the run goes on"):
        from florg_app.cli.live import shown

        with shown(run_dir, plain) as show:
            status = follow(run_dir, show, once, time.sleep)
    print("" if status is None else f"{status}: {run_dir}")
    raise typer.Exit({"completed": 0, "failed": 1, "stopped": INTERRUPTED}.get(status or "completed", 1))


def follow(
    run_dir: Path, show: Callable[[list[dict[str, Any]]], None], once: bool, wait: Callable[[float], None]
) -> str | None:
    """Show the records of a run as they come; returns how it ended, None where it goes on and `once` ends the wait."""
    for records, status in looks(run_dir):
        show(records)
        if status or once:
            return status
        wait(LOOK_SECONDS)
    raise AssertionError("looks do not end")


def looks(run_dir: Path) -> Iterator[tuple[list[dict[str, Any]], str | None]]:
    """Look at a run again and again: its records so far, and how it ended, if it has."""
    from florg_app.reports.history import read_history_if_any
    from florg_app.reports.json_text import read_json_object
    from florg_app.reports.report import SUMMARY

    while True:
        try:
            status = str(read_json_object(run_dir / SUMMARY)["status"])
        except (OSError, ValueError, LookupError):  # it goes on: the summary is written at the end, at once
            status = None
        yield read_history_if_any(run_dir), status  # after the summary, or the last round could be missed
