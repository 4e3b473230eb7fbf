"""How a run ended, said at the terminal and by the exit status; a summary for a server that could not write its own."""

import sys
from collections.abc import Callable
from pathlib import Path

from florg_app.config.runconfig import RunConfig
from florg_app.engines import launch, preflight
from florg_app.engines.launch import Say
from florg_app.folder_lock import RUN_LOCK, folder_lock
from florg_app.reports.history import HISTORY
from florg_app.reports.report import RESULTS_LINE, SUMMARY, Report
from florg_app.terminal import INTERRUPTED

EXIT_STATUS = {"completed": 0, "failed": 1, "stopped": INTERRUPTED}


def without_place(say: Say) -> Say:
    """Leave out the server's word on where the results are: this command says it at its end."""
    return lambda text: None if text.startswith(RESULTS_LINE) else say(text)


def account(folder: Path, config: RunConfig, engine: Callable[[], launch.Outcome]) -> int:
    """Run an engine whose results go to `folder`, and say how that ended; returns the exit status."""
    begun = launch.log_length(folder / launch.LOG)
    try:
        return _end(folder, config, engine(), begun)
    except launch.LaunchError as error:
        print(f"the run could not be started or followed: {error}", file=sys.stderr)
        sys.stderr.writelines(preflight.scarce())
        return EXIT_STATUS["failed"]


def _end(folder: Path, config: RunConfig, outcome: launch.Outcome, begun: int) -> int:
    """Say how a run ended, whose part of the log begins after `begun` bytes; the exit status."""
    log = folder / launch.LOG
    if outcome.status == "completed":
        here = (folder / SUMMARY).exists()
        print(f"completed: {folder}" if here else f"completed; the results are on the server, the log is {log}")
        return EXIT_STATUS[outcome.status]
    reason = launch.reason_of(log, begun) if outcome.status == "failed" else ""
    details = reason or outcome.details
    if (folder / HISTORY).exists() and not (folder / SUMMARY).exists():
        # The server was ended before it could write its summary; its history holds all rounds it finished.
        try:
            with folder_lock(folder / RUN_LOCK, "the server of the run"):
                Report(folder, config, resume_round=sys.maxsize).finish(outcome.status, details)
        except (ValueError, OSError) as error:
            print(f"the summary could not be written: {error}", file=sys.stderr)
    if outcome.status == "failed" and not reason:
        print(launch.last_lines(log), file=sys.stderr)
        if cause := launch.cause_of(log):
            print(f"the cause: {cause}", file=sys.stderr)
        sys.stderr.writelines(preflight.scarce())
    run = f"run {outcome.run_id}".rstrip()
    print(f"{run} {outcome.status}: {details or 'Flower gives no reason'}", file=sys.stderr)
    print(f"what there is lies in {folder}, the whole log is {log}", file=sys.stderr)
    return EXIT_STATUS[outcome.status]
