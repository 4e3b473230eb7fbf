"""How a run begins on the server: anew, or where a checkpoint left it. The folder is made ready here."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from logging import WARNING
from uuid import uuid4

import torch

from florg_app.assembly import assemble
from florg_app.checkpoints import run_folder
from florg_app.checkpoints.manager import CheckpointManager
from florg_app.checkpoints.resume import RUNS
from florg_app.checkpoints.run_checkpoint import RunCheckpoint, check_same_model
from florg_app.config.parse import flatten_settings
from florg_app.config.settings import Settings
from florg_app.reports.report import Report, note
from strategies.exchange.lineage import Attempt, Lineage


def begin_run(settings: Settings) -> tuple[Report, Lineage]:
    """A new run in a folder that holds none. Raises ValueError where the folder is unusable."""
    folder = settings.output_dir or RUNS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{settings.strategy.name}"
    return Report(folder, flatten_settings(settings)), Lineage(uuid4().hex[:16], (Attempt(uuid4().hex[:8]),))


def resume_run(settings: Settings, saved: RunCheckpoint, device: torch.device) -> tuple[Report, Lineage]:
    """A further attempt at a run, in its own folder or, where output-dir names one, in a new one.

    Raises ValueError, before anything is changed, where the checkpoint does not fit the model that the settings give,
    or the folder has no room or holds another run.
    """
    warnings = list(check_same_model(saved, assemble(settings, device)))
    folder = run_folder.run_folder_of(saved, settings.output_dir)
    attempt = Attempt(uuid4().hex[:8], saved.round, str(saved.path))
    attempts = (*saved.lineage.attempts, attempt)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        CheckpointManager(folder, settings.checkpoint.every, settings.checkpoint.keep).check_room(saved.state)
        warnings += run_folder.prepare_run_folder(saved, folder, attempt.name)
    except OSError as error:
        raise ValueError(f"output-dir {folder} cannot be written: {error}; choose another") from error
    report = Report(folder, flatten_settings(settings), saved.round, _resumptions(attempts), saved.seconds)
    note(f"resumed after round {saved.round} from {saved.path}")
    for warning in warnings:
        note(warning, WARNING)
    return report, replace(saved.lineage, attempts=attempts)


def _resumptions(attempts: Sequence[Attempt]) -> list[dict[str, int | str]]:
    return [{"after": attempt.after, "source": attempt.source} for attempt in attempts[1:]]
