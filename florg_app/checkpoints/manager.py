"""A run's checkpoints: when one is written, how many are kept, and what happens when the disk fails."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from clients.atomic_files import write_atomically
from florg_app.checkpoints import checkpoint_file
from florg_app.checkpoints.file_names import older_checkpoints, older_name
from florg_app.reports.report import note
from florg_app.reports.summary import format_bytes
from strategies.state import State

REPORT_BYTES = 1_000_000
"""Room for history, summary and plot."""

_REMEDY = "free some space, choose another output-dir, or lower checkpoint.keep"


class NotSavedError(RuntimeError):
    """The run is trained but its end is not on the disk."""


class CheckpointManager:
    """Checkpoints in `folder`: one after every `every`-th round and after the last, the newest `keep` of them.

    A write that fails leaves the ones before as they are, is reported, and is tried again after the next round: the
    clients' work goes on. Only an end that cannot be written makes the run a failed one.
    """

    def __init__(self, folder: Path, every: int, keep: int) -> None:
        self._folder, self._every, self._keep = folder, every, keep
        self._newest = 0
        self._unsaved: Callable[[], None] | None = None
        self._overdue = False

    def check_room(self, state: State) -> None:
        """Raises ValueError where there is no room for `keep` checkpoints of this size and the one being written.

        A state that grows from round to round (factored residuals) needs more than that in the end.
        """
        num_bytes = sum(tensor.numel() * tensor.element_size() for tensor in state.flat.values())
        needed, free = (self._keep + 1) * num_bytes + REPORT_BYTES, shutil.disk_usage(self._folder).free
        if free < needed:
            raise ValueError(
                f"output-dir {self._folder} has {format_bytes(free)} free, but {self._keep} checkpoints of "
                f"{format_bytes(num_bytes)}, one being written and the report need {format_bytes(needed)}; {_REMEDY}"
            )

    def begin(self, t: int, state: State, metadata: Mapping[str, str]) -> None:
        """Write the state with which this process begins. Raises ValueError where the folder does not take it."""
        self._newest = t
        try:
            checkpoint_file.save_checkpoint(self._folder / checkpoint_file.CHECKPOINT_FILE, state, metadata)
        except OSError as error:
            raise ValueError(f"output-dir {self._folder} cannot hold a checkpoint: {error}; {_REMEDY}") from error

    def after_round(self, t: int, state: State, metadata: Mapping[str, str], last: bool) -> None:
        """Write round t's if it is due or one before it could not be written."""
        self._unsaved = lambda: self._write(t, state, metadata)
        if not (self._overdue or last or t % self._every == 0):
            return
        try:
            self._unsaved()
        except OSError as error:
            self._overdue = True
            note(
                f"the checkpoint of round {t} could not be written: {error}; the run goes on and tries again after the "
                f"next round; the newest on the disk is that of round {self._newest}: make room in {self._folder}",
                logging.ERROR,
            )

    def close(self) -> None:
        """Write what is not on the disk yet. Raises NotSavedError where that fails."""
        if self._unsaved is None:
            return
        try:
            self._unsaved()
        except OSError as error:
            raise NotSavedError(
                f"the rounds after {self._newest} are not on the disk ({error}): make room in {self._folder} and go on "
                f'with resume-from = "{self._folder / checkpoint_file.CHECKPOINT_FILE}"'
            ) from error

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Close at the end of the block, also where it raises: its error then goes before that of the disk."""
        try:
            yield
        except BaseException:
            try:
                self.close()
            except NotSavedError as error:
                note(str(error), logging.ERROR)
            raise
        self.close()

    @property
    def oldest(self) -> int:
        """The oldest round that the folder's checkpoints resume from."""
        return min([self._newest, *older_checkpoints(self._folder)])

    def _write(self, t: int, state: State, metadata: Mapping[str, str]) -> None:
        newest = self._folder / checkpoint_file.CHECKPOINT_FILE
        if self._keep > 1 and newest.exists():
            _link(newest, self._folder / older_name(self._newest))
        checkpoint_file.save_checkpoint(newest, state, metadata)
        self._newest, self._unsaved, self._overdue = t, None, False
        for path in list(older_checkpoints(self._folder).values())[self._keep - 1 :]:
            path.unlink()


def _link(path: Path, second: Path) -> None:
    """Make `second` a further name of a file, or a copy where the file system knows no such thing; it is replaced."""

    def make(temporary: Path) -> None:
        temporary.unlink(missing_ok=True)  # of an earlier process
        try:
            os.link(path, temporary)
        except OSError:
            shutil.copyfile(path, temporary)

    if not (second.exists() and path.samefile(second)):  # a rename onto the same file does nothing, and leaves both
        write_atomically(second, make)
