"""Which files of a run's folder are checkpoints, and of which rounds they say that they are."""

import re
from pathlib import Path

from florg_app.checkpoints.checkpoint_file import CHECKPOINT_FILE

_OLDER = re.compile(r"checkpoint-([0-9]{6,})\.safetensors")


def older_name(t: int) -> str:
    """The name of round t's checkpoint once there is a newer one."""
    return f"checkpoint-{t:06}.safetensors"


def round_in_name(path: Path) -> int | None:
    """The round that an older checkpoint is named after; None for any other name."""
    match = _OLDER.fullmatch(path.name)
    return int(match[1]) if match else None


def older_checkpoints(folder: Path) -> dict[int, Path]:
    """Round -> file of the checkpoints before the newest, descending; the newest is CHECKPOINT_FILE."""
    found = {t: path for path in folder.iterdir() if (t := round_in_name(path)) is not None}
    return dict(sorted(found.items(), reverse=True))


def checkpoints_of(folder: Path) -> list[Path]:
    """All of a folder's, the newest first; one that a kill left without a newest has the older ones."""
    newest = folder / CHECKPOINT_FILE
    there = newest.exists() or newest.is_symlink()
    return [*([newest] if there else []), *older_checkpoints(folder).values()]
