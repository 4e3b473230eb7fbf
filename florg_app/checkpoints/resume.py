"""Which run a `resume-from` continues, and whether these settings may continue it. Nothing is written here."""

import logging
from collections.abc import Mapping
from pathlib import Path

from florg_app.checkpoints import checkpoint_file
from florg_app.checkpoints.manager import older_checkpoints
from florg_app.checkpoints.run_checkpoint import RunCheckpoint, read_run_checkpoint, read_run_header
from florg_app.config.flat import FlatConfig, to_toml
from florg_app.config.parse import default_settings, flatten_settings
from florg_app.config.settings import Settings
from florg_app.reports.report import note

LATEST = "latest"

RUNS = Path("runs")
"""Where runs without an output-dir have their folders, in the server's working directory."""

FREE = frozenset(
    {
        "num-server-rounds",
        "output-dir",
        "resume-from",
        "task.cache",
        "min-clients",
        "min-uploads",
        "max-skipped",
        "round-timeout",
        "wait-timeout",
        "checkpoint.every",
        "checkpoint.keep",
        "evaluate.every",
        "evaluate.batch-size",
        "evaluate.on-clients",
        "server.device",
        "server.diagnostics",
        "client.device",
        "client.threads",
        "measure.costs",
    }
)
"""Settings that may change when a run is resumed: none of them is part of what the rounds compute."""


def find_checkpoint(settings: Settings) -> RunCheckpoint | None:
    """The run that `resume-from` names, or None where it names none.

    A path is a checkpoint or the folder of a run, whose newest is taken. "latest" is the newest checkpoint in
    `output-dir`; without one, that of the newest run in runs/ that these settings may continue.

    Raises ValueError where there is none, it cannot be read, is of other settings, or has no round left to run.
    """
    if settings.resume_from is None:
        return None
    path = locate_checkpoint(settings).absolute()
    try:
        saved = read_run_checkpoint(path)
    except ValueError as error:
        beside = older_checkpoints(path.parent) if path.parent.is_dir() else {}
        others = "".join(f"; round {t} is in {other}" for t, other in beside.items() if other != path)
        raise ValueError(f'resume-from = "{settings.resume_from}": {error}{others}') from error
    check_resumable(saved, settings)
    return saved


def locate_checkpoint(settings: Settings) -> Path:
    """The checkpoint that `resume-from` means. Raises ValueError where "latest" finds none."""
    if settings.resume_from != LATEST:
        path = Path(str(settings.resume_from))
        return path / checkpoint_file.CHECKPOINT_FILE if path.is_dir() else path
    return settings.output_dir / checkpoint_file.CHECKPOINT_FILE if settings.output_dir else _latest(RUNS, settings)


def check_resumable(saved: RunCheckpoint, settings: Settings) -> None:
    """Raises ValueError, naming every key, where the run was begun with other settings or is complete."""
    if problems := setting_differences(flatten_settings(saved.settings), flatten_settings(settings)):
        raise ValueError(
            f"{saved.path} is of a run with other settings:\n"
            + "".join(f"  - {problem}\n" for problem in problems)
            + "set them back, or start a new run without resume-from; only these may change: "
            + ", ".join(sorted(FREE))
        )
    if saved.round >= settings.num_server_rounds:
        raise ValueError(
            f"{saved.path} is of round {saved.round}, num-server-rounds = {settings.num_server_rounds}: the run is "
            "complete; raise num-server-rounds to go on with it"
        )


def setting_differences(saved: FlatConfig, given: FlatConfig) -> list[str]:
    """What was and what is, for every key that must not change."""
    return [
        f"{key} was {_value(key, saved)} and is {_value(key, given)}"
        for key in dict.fromkeys((*saved, *given))
        if key not in FREE and saved.get(key) != given.get(key)
    ]


def _value(key: str, config: Mapping[str, object]) -> str:
    """As in TOML; settings of a method that was not chosen are absent."""
    assert key in default_settings()
    return to_toml(config[key]) if key in config else "absent"


def _latest(runs: Path, settings: Settings) -> Path:
    reasons: list[str] = []
    found = sorted(
        runs.glob(f"*/{checkpoint_file.CHECKPOINT_FILE}"), key=lambda path: path.stat().st_mtime, reverse=True
    )
    for path in found:
        try:
            saved = read_run_header(path)
        except ValueError as error:
            note(f"passed over: {error}", logging.WARNING)
            reasons.append(str(error))
            continue
        if not (problems := setting_differences(flatten_settings(saved.settings), flatten_settings(settings))):
            return path
        reasons.append(f"{path.parent}: {'; '.join(problems[:3])}")
    listed = "".join(f"\n  - {reason}" for reason in reasons[:5])
    raise ValueError(
        f'resume-from = "latest": none of {len(found)} runs in {runs.absolute()} has these settings; give its path'
        f"{', or leave resume-from empty for a new run' if not found else ''}{listed}"
    )
