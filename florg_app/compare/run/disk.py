"""What of a comparison is on disk: how each cell stands, the matrix's own files, and who is at work there."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from clients.atomic_files import write_atomically
from florg_app.compare.matrix.cells import ELSEWHERE, CellSpec
from florg_app.config.parse import default_settings
from florg_app.folder_lock import BusyError, folder_lock
from florg_app.reports.json_text import json_document, read_json_object
from florg_app.reports.report import SUMMARY

MATRIX, TUNED, LOCK, FAILURE = "matrix.json", "tuned.json", "compare.lock", "failure.json"


@dataclass(frozen=True)
class CellState:
    """How a cell stands."""

    status: Literal["finished", "failed", "missing"]
    reason: str = ""


def read_cell_state(folder: Path, cell: CellSpec, metric: str) -> CellState:
    """How the run of a cell ended, by what is in its folder; missing where it has not, or was another run."""
    if (failure := _read(folder / FAILURE)) is not None:
        return CellState("failed", str(failure.get("reason", "unknown")))
    summary = _read(folder / SUMMARY)
    if summary is None or not summary.keys() >= {"settings", "status"} or not _same(summary["settings"], cell):
        return CellState("missing")
    if summary["status"] == "failed":
        return CellState("failed", summary["reason"])
    if summary["status"] != "completed":
        return CellState("missing")
    return CellState("finished") if cell.kind == "costs" else _scored(summary["final"], metric)


def _scored(final: Mapping[str, Any], metric: str) -> CellState:
    found = [name for name in (metric, f"own-{metric}") if name in final]
    if not found:
        others = ", ".join(name for name in final if name != "round") or "none"
        return CellState("failed", f"the run has no score {metric}; its scores are: {others}")
    if all(final[name] is None for name in found):
        return CellState("failed", f"diverged: its last {metric} is not a number")
    return CellState("finished")


def _same(recorded: Mapping[str, Any], cell: CellSpec) -> bool:
    """Whether a run had the cell's settings; one that it did not know was at its default."""
    known = default_settings()
    keys = {*recorded, *cell.config} - {*ELSEWHERE}
    return all(recorded.get(key, known.get(key)) == cell.config.get(key, known.get(key)) for key in keys)


def _read(path: Path) -> dict[str, Any] | None:
    """None where there is no such file, or a damaged one: the cell is run again, and what there is stays beside it."""
    try:
        return read_json_object(path)
    except (FileNotFoundError, ValueError):
        return None


def record_failure(folder: Path, reason: str) -> None:
    """Remember that a cell failed, where its run could not say so itself."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / FAILURE, {"reason": reason})


def write_json(path: Path, document: Any) -> None:
    write_atomically(path, lambda temporary: temporary.write_bytes(json_document(document)))


def move_aside(folder: Path) -> None:
    """Make room for a new run; what an earlier one left stays beside it."""
    number = 1
    while (aside := folder.with_name(f"{folder.name}.earlier-{number}")).exists():
        number += 1
    if folder.exists():
        folder.rename(aside)


@contextmanager
def locked(folder: Path) -> Iterator[str]:
    """Keep a second comparison out of the folder. Raises BusyError; yields why it cannot be kept out, or ""."""
    try:
        with folder_lock(folder / LOCK, "a comparison") as problem:
            yield problem
    except BusyError as error:
        raise BusyError(f"{error}; wait for it, or choose another --output") from None
