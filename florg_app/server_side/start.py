"""How a run begins on the server: anew, or where a checkpoint left it. The folder is made ready, and held, here."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from logging import WARNING
from pathlib import Path
from uuid import uuid4

from clients.device import resolve_device
from florg_app.assembly import assemble
from florg_app.checkpoints import run_folder
from florg_app.checkpoints.manager import CheckpointManager
from florg_app.checkpoints.resume import RUNS, find_checkpoint, find_header, locate_run
from florg_app.checkpoints.run_checkpoint import RunCheckpoint, check_same_model
from florg_app.config.parse import flatten_settings
from florg_app.config.settings import Settings
from florg_app.folder_lock import RUN_LOCK, BusyError, folder_lock
from florg_app.reports.report import Report, note
from florg_app.reports.trackers.programs import check_trackers, started
from florg_app.reports.trackers.tracker import TrackedRun, Trackers
from florg_app.start_adapter import require_start
from strategies.exchange.lineage import Attempt, Lineage


@contextmanager
def opened_run(settings: Settings) -> Iterator[tuple[Report, Lineage, RunCheckpoint | None]]:
    """(report, lineage, checkpoint to go on from) of a new run, or of what is left of the one that `resume-from` names.

    Nobody else can write into its folder for as long as the block lasts. Raises ValueError, before anything is written,
    where settings, checkpoint or folder are unusable, or another run is at work there.
    """
    check_trackers(settings.report.trackers)
    source = locate_run(settings) if settings.resume_from else None
    if source is None:
        require_start(settings)
    header = None if source is None else find_header(settings, source)
    folder = _new_folder(settings) if header is None else run_folder.run_folder_of(header, settings.output_dir)
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            unlocked = stack.enter_context(folder_lock(folder / RUN_LOCK, "another run"))
        except BusyError as error:
            raise BusyError(f"output-dir {error}; wait for it, or choose another output-dir") from None
        except OSError as error:
            raise ValueError(f"output-dir {folder} cannot be written: {error}; choose another") from error
        saved = find_checkpoint(settings, source)
        report, lineage = _begin(settings, folder) if saved is None else _resume(settings, saved, folder)
        if unlocked:
            note(unlocked, WARNING)
        yield report, lineage, saved


def _new_folder(settings: Settings) -> Path:
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{settings.strategy.name}-{uuid4().hex[:4]}"
    return settings.output_dir or RUNS / name


def _begin(settings: Settings, folder: Path) -> tuple[Report, Lineage]:
    """A new run in a folder that holds none. Raises ValueError where the folder is unusable."""
    attempt = Attempt(uuid4().hex[:8])
    try:
        if run_folder.holds_run(folder):
            raise ValueError(f"output-dir {folder} already holds a run; choose another, or resume that one")
        run_folder.clear_folder(folder, attempt.name)
    except OSError as error:
        raise ValueError(f"output-dir {folder} cannot be written: {error}; choose another") from error
    report = Report(folder, flatten_settings(settings), trackers=_trackers(settings, folder, 0))
    return report, Lineage(uuid4().hex[:16], (attempt,))


def _resume(settings: Settings, saved: RunCheckpoint, folder: Path) -> tuple[Report, Lineage]:
    """A further attempt at a run, in its own folder or, where output-dir names one, in a new one.

    Raises ValueError, before anything is changed, where the checkpoint does not fit the model that the settings give,
    or the folder has no room.
    """
    device = resolve_device(settings.server.device, "server.device")
    warnings = list(check_same_model(saved, assemble(settings, device)))
    attempt = Attempt(uuid4().hex[:8], saved.round, str(saved.path))
    attempts = (*saved.lineage.attempts, attempt)
    try:
        CheckpointManager(folder, settings.checkpoint.every, settings.checkpoint.keep).check_room(saved.state)
        warnings += run_folder.prepare_run_folder(saved, folder, attempt.name)
    except OSError as error:
        raise ValueError(f"output-dir {folder} cannot be written: {error}; choose another") from error
    trackers = _trackers(settings, folder, saved.round)
    report = Report(folder, flatten_settings(settings), saved.round, _resumptions(attempts), saved.seconds, trackers)
    note(f"resumed after round {saved.round} from {saved.path}")
    for warning in warnings:
        note(warning, WARNING)
    return report, replace(saved.lineage, attempts=attempts)


def _trackers(settings: Settings, folder: Path, begun: int) -> Trackers | None:
    """Those that the settings name, of a run that goes on after round `begun`."""
    names = settings.report.trackers
    return (
        Trackers(started(names), TrackedRun(folder.name, folder, flatten_settings(settings), begun), note)
        if names
        else None
    )


def _resumptions(attempts: Sequence[Attempt]) -> list[dict[str, int | str]]:
    return [{"after": attempt.after, "source": attempt.source} for attempt in attempts[1:]]
