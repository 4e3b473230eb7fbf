"""The folder of a run made ready: to be gone on with, or begun again. Nothing that is there is lost."""

from collections.abc import Sequence
from pathlib import Path

from clients.regular_files import read_regular
from florg_app.checkpoints.checkpoint_file import CHECKPOINT_FILE
from florg_app.checkpoints.file_names import checkpoints_of, older_checkpoints
from florg_app.checkpoints.run_checkpoint import RunCheckpoint
from florg_app.reports.history import HISTORY, HistoryEntry, parse_history, rescue_history, write_history
from florg_app.reports.json_text import read_json_object
from florg_app.reports.report import SUMMARY


def holds_run(folder: Path) -> bool:
    """Whether a folder has anything of a run that is worth keeping: a checkpoint, a round after round 0, a good end.

    A run that was ended before has at most a history of round 0 and a summary of its failure. Raises OSError.
    """
    if not folder.is_dir():
        return False
    if checkpoints_of(folder) or completed_rounds(folder) is not None:
        return True
    history = folder / HISTORY
    return history.exists() and _says_more_than_the_beginning(history)


def completed_rounds(folder: Path) -> int | None:
    """After how many rounds the run's summary says that it ended well; None where it does not, or is damaged."""
    try:
        summary = read_json_object(folder / SUMMARY)
        return int(summary["rounds"]["done"]) if summary["status"] == "completed" else None
    except (OSError, ValueError, TypeError, LookupError):
        return None


def clear_folder(folder: Path, attempt: str) -> None:
    """Put what an attempt that ended before its first checkpoint left in `folder` into superseded-ATTEMPT.

    Raises OSError.
    """
    left = [path for name in (HISTORY, SUMMARY) if (path := folder / name).exists() and path.stat().st_size]
    if left:
        aside = folder / f"superseded-{attempt}"
        aside.mkdir()
        for path in left:
            path.rename(aside / path.name)


def run_folder_of(saved: RunCheckpoint, output_dir: Path | None) -> Path:
    """Where the resumed run writes: its own folder, unless `output-dir` names another.

    Raises ValueError where that one already holds a run.
    """
    own = saved.path.parent.absolute()
    if output_dir is None or output_dir.absolute() == own:
        return own
    try:
        taken = holds_run(output_dir)
    except OSError as error:
        raise ValueError(f"output-dir {output_dir} cannot be read: {error}; choose another") from error
    if taken:
        raise ValueError(
            f"output-dir {output_dir} already holds another run than {saved.path}; choose a new folder, or leave it "
            f"out to go on in {own}"
        )
    return output_dir.absolute()


def prepare_run_folder(saved: RunCheckpoint, output_dir: Path, attempt: str) -> list[str]:
    """Bring the history up to the checkpoint's round into `output_dir`; what was wrong with it or is missing, in words.

    In the run's own folder, later rounds and checkpoints, damaged ones and the summary of the earlier attempt go to the
    folder superseded-ATTEMPT. Raises OSError.
    """
    own = saved.path.parent.absolute()
    records, notes = rescue_history(own, output_dir)
    kept = [record for record in records if record["round"] <= saved.round]
    if output_dir == own:
        _set_aside(
            saved, [record for record in records if record["round"] > saved.round], own / f"superseded-{attempt}"
        )
    else:
        clear_folder(output_dir, attempt)
    write_history(output_dir / HISTORY, kept)
    missing = saved.round + 1 - len(kept)
    if missing > 0:
        notes.append(f"{own / HISTORY} lacks {missing} of its rounds; the totals do not count them")
    return notes


def _set_aside(saved: RunCheckpoint, later: Sequence[HistoryEntry], aside: Path) -> None:
    own = aside.parent
    paths = [path for t, path in older_checkpoints(own).items() if t > saved.round or not path.is_file()]
    newest = own / CHECKPOINT_FILE
    if saved.path != newest:  # an older one was chosen, which is the newest once the resumed run begins
        paths.append(newest)
    moved = [path for path in (*paths, own / SUMMARY) if path.exists() or path.is_symlink()]
    if not later and not moved:
        return
    aside.mkdir()
    if later:
        write_history(aside / HISTORY, later)
    for path in moved:
        path.rename(aside / path.name)


def _says_more_than_the_beginning(history: Path) -> bool:
    """Whether a history has anything but the record of round 0; what cannot be read may be more."""
    parsed = parse_history(read_regular(history))
    return bool(parsed.rest) or any(record["round"] > 0 for record in parsed.records)
