"""Which run a `resume-from` continues, and from which of its checkpoints. Nothing is written here."""

import logging
from collections.abc import Callable
from pathlib import Path

from florg_app.checkpoints.checkpoint_file import CHECKPOINT_FILE
from florg_app.checkpoints.file_names import checkpoints_of, older_checkpoints
from florg_app.checkpoints.resumable import check_resumable, setting_differences
from florg_app.checkpoints.run_checkpoint import RunCheckpoint, read_run_checkpoint, read_run_header
from florg_app.config.parse import flatten_settings
from florg_app.config.settings import Settings
from florg_app.reports.report import note

LATEST = "latest"

RUNS = Path("runs")
"""Where runs without an output-dir have their folders, in the server's working directory."""

ReadCheckpoint = Callable[[Path], RunCheckpoint]
"""Reads a file whole, or its header alone. Raises ValueError."""


def find_checkpoint(settings: Settings, path: Path | None = None) -> RunCheckpoint | None:
    """The run that `resume-from` names, or None where it names none.

    A path is a checkpoint, or the folder of a run whose newest usable one is taken; damaged ones before it are named.
    "latest" is the folder `output-dir`; without one, that of the newest run in runs/ that these settings may continue.
    `path` is what `locate_run` gave, where that was asked before.

    Raises ValueError where there is none, none can be used, it is of other settings, or has no round left to run.
    """
    if settings.resume_from is None:
        return None
    saved = _first_usable(path or locate_run(settings), settings, read_run_checkpoint, _warn)
    check_resumable(saved, settings)
    return saved


def find_header(settings: Settings, path: Path) -> RunCheckpoint:
    """As `find_checkpoint` of what `locate_run` gave, without reading tensors: the state is empty.

    Damage to tensors does not show; that of headers is passed over in silence, for `find_checkpoint` to name.
    """
    saved = _first_usable(path, settings, read_run_header, _silent)
    check_resumable(saved, settings)
    return saved


def locate_run(settings: Settings) -> Path:
    """The checkpoint, or the folder of a run, that `resume-from` means; absolute.

    Raises ValueError where "latest" finds none.
    """
    if settings.resume_from != LATEST:
        return Path(str(settings.resume_from)).absolute()
    return (settings.output_dir or _latest(RUNS, settings)).absolute()


def settings_of(path: Path) -> Settings:
    """Those of the run whose checkpoint or folder this is. Raises ValueError where there is none of use."""
    return _first_of(_candidates(path), read_run_header, _silent).settings


def folder_of(path: Path) -> Path:
    """The folder of the run whose checkpoint or folder this is."""
    return path if path.is_dir() else path.parent


def _candidates(path: Path) -> list[Path]:
    """The checkpoint itself, or those of the folder, the newest first. Raises ValueError where there is none."""
    if not path.is_dir():
        return [path]
    try:
        found = checkpoints_of(path)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if found:
        return found
    raise ValueError(
        f"{path / CHECKPOINT_FILE} does not exist: the run ended before its first checkpoint, or the folder is that of "
        "none; begin it again without resume-from"
    )


def _first_usable(path: Path, settings: Settings, read: ReadCheckpoint, say: Callable[[str], None]) -> RunCheckpoint:
    try:
        return _first_of(_candidates(path), read, say)
    except ValueError as error:
        beside = older_checkpoints(path.parent) if path.parent.is_dir() and not path.is_dir() else {}
        others = "".join(f"; round {t} is in {other}" for t, other in beside.items() if other != path)
        raise ValueError(f'resume-from = "{settings.resume_from}": {error}{others}') from error


def _first_of(paths: list[Path], read: ReadCheckpoint, say: Callable[[str], None]) -> RunCheckpoint:
    """The first that can be read; `say` is told of each that cannot. Raises ValueError with all reasons."""
    reasons: list[str] = []
    for path in paths:
        try:
            saved = read(path)
        except ValueError as error:
            reasons.append(str(error))
            continue
        for reason in reasons:
            say(f"damaged: {reason}")
        if reasons:
            say(f"the one before it, of round {saved.round}, is used: {path}")
        return saved
    raise ValueError("; ".join(reasons))


def _warn(text: str) -> None:
    note(text, logging.WARNING)


def _silent(text: str) -> None:
    """Where somebody else will say it."""


def _latest(runs: Path, settings: Settings) -> Path:
    """The folder of the newest run that has these settings."""
    reasons: list[str] = []
    newest = {folder: paths[0] for folder in runs.glob("*/") if (paths := _checkpoints_in(folder))}
    folders = sorted(newest, key=lambda folder: newest[folder].lstat().st_mtime, reverse=True)
    for folder in folders:
        try:
            found = settings_of(folder)
        except ValueError as error:
            _warn(f"passed over: {error}")
            reasons.append(str(error))
            continue
        if not (problems := setting_differences(flatten_settings(found), flatten_settings(settings))):
            return folder
        reasons.append(f"{folder}: {'; '.join(problems[:3])}")
    listed = "".join(f"\n  - {reason}" for reason in reasons[:5])
    raise ValueError(
        f'resume-from = "latest": none of {len(folders)} runs in {runs.absolute()} has these settings; give its path'
        f"{', or leave resume-from empty for a new run' if not folders else ''}{listed}"
    )


def _checkpoints_in(folder: Path) -> list[Path]:
    """Those of a folder among many; none of one that cannot be read."""
    try:
        return checkpoints_of(folder)
    except OSError as error:
        _warn(f"passed over: {error}")
        return []
