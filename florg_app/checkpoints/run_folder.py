"""The folder of a run made ready to be gone on with: nothing that an earlier attempt left there is lost."""

import json
from pathlib import Path

from clients.atomic_files import write_atomically
from florg_app.checkpoints import checkpoint_file
from florg_app.checkpoints.manager import older_checkpoints
from florg_app.checkpoints.run_checkpoint import RunCheckpoint
from florg_app.reports.report import HISTORY, SUMMARY, read_history


def run_folder_of(saved: RunCheckpoint, output_dir: Path | None) -> Path:
    """Where the resumed run writes: its own folder, unless `output-dir` names another.

    Raises ValueError where that one already holds a run.
    """
    own = saved.path.parent.absolute()
    if output_dir is None or output_dir.absolute() == own:
        return own
    if _records(output_dir) or (output_dir / checkpoint_file.CHECKPOINT_FILE).exists():
        raise ValueError(
            f"output-dir {output_dir} already holds another run than {saved.path}; choose a new folder, or leave it "
            f"out to go on in {own}"
        )
    return output_dir.absolute()


def prepare_run_folder(saved: RunCheckpoint, output_dir: Path, attempt: str) -> list[str]:
    """Bring the history up to the checkpoint's round into `output_dir`, and give back what is missing of it, in words.

    In the run's own folder, later rounds and checkpoints and the summary of the earlier attempt go to the folder
    superseded-ATTEMPT. Raises OSError.
    """
    own = saved.path.parent.absolute()
    records = _records(own)
    kept = [record for record in records if record["round"] <= saved.round]
    later = [record for record in records if record["round"] > saved.round]
    if output_dir == own:
        _set_aside(saved, later, own / f"superseded-{attempt}")
    _write(output_dir / HISTORY, kept)
    missing = saved.round + 1 - len({record["round"] for record in kept})
    return [f"{own / HISTORY} lacks {missing} of its rounds; the totals do not count them"] if missing > 0 else []


def _set_aside(saved: RunCheckpoint, later: list[dict], aside: Path) -> None:
    own = aside.parent
    paths = [path for t, path in older_checkpoints(own).items() if t > saved.round]
    newest = own / checkpoint_file.CHECKPOINT_FILE
    if saved.path != newest:  # an older one was chosen, which is the newest once the resumed run begins
        paths.append(newest)
    moved = [path for path in (*paths, own / SUMMARY) if path.exists()]
    if not later and not moved:
        return
    aside.mkdir()
    if later:
        _write(aside / HISTORY, later)
    for path in moved:
        path.rename(aside / path.name)


def _records(folder: Path) -> list[dict]:
    return read_history(folder) if (folder / HISTORY).exists() else []


def _write(path: Path, records: list[dict]) -> None:
    text = "".join(json.dumps(record, allow_nan=False, ensure_ascii=False) + "\n" for record in records)
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
