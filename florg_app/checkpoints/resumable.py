"""Whether given settings may continue a run: what may change, and whether anything is left to do."""

from collections.abc import Mapping

from florg_app.checkpoints.run_checkpoint import RunCheckpoint
from florg_app.checkpoints.run_folder import completed_rounds
from florg_app.config.flat import FlatConfig, to_toml
from florg_app.config.parse import default_settings, flatten_settings
from florg_app.config.settings import Settings

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
        "checkpoint.best",
        "stop.patience",
        "stop.min-delta",
        "report.trackers",
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


def check_resumable(saved: RunCheckpoint, settings: Settings) -> None:
    """Raises ValueError, naming every key, where the run was begun with other settings or is complete.

    One that was ended between its last checkpoint and its summary is not complete: it can be gone on with to its end.
    """
    if problems := setting_differences(flatten_settings(saved.settings), flatten_settings(settings)):
        raise ValueError(
            f"{saved.path} is of a run with other settings:\n"
            + "".join(f"  - {problem}\n" for problem in problems)
            + "set them back, or start a new run without resume-from; only these may change: "
            + ", ".join(sorted(FREE))
        )
    planned = settings.num_server_rounds
    if saved.round > planned or (saved.round == planned and completed_rounds(saved.path.parent) == planned):
        raise ValueError(
            f"{saved.path} is of round {saved.round}, num-server-rounds = {planned}: the run is "
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
