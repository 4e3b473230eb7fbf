"""The folder of a run as a command holds it: nobody else's, from before anything is written until all has ended."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from florg_app.engines.launch import LOG, RUN_CONFIG, SUPERLINK_LOG
from florg_app.engines.resumed import SIMULATION
from florg_app.folder_lock import RUN_LOCK, BusyError, FolderError, folder_lock

LAUNCH_LOCK = "launch.lock"
"""File, in the folder of a run, of the command that began it; the server of the run has a lock of its own."""

WRITTEN = (LOG, SUPERLINK_LOG, RUN_CONFIG, SIMULATION)
"""Files of a command in the folder of its run."""


@contextmanager
def held_folder(folder: Path, new: bool) -> Iterator[None]:
    """Keep other commands out of the folder, in which a new run is to begin, or one is to go on.

    Raises BusyError where one is at work there, or a server that one left behind, and FolderError where the folder
    cannot be written or a new run would find another one there.
    """
    with ExitStack() as stack:
        try:
            unlocked = stack.enter_context(folder_lock(folder / LAUNCH_LOCK, "another command"))
            with folder_lock(folder / RUN_LOCK, "another run"):
                if new:
                    check_free(folder)
            for path in (folder / name for name in WRITTEN):
                if (path.exists() or path.is_symlink()) and not path.is_file():
                    raise FolderError(
                        f"{path} is no file, and cannot be written; remove it, or choose another --output"
                    )
        except BusyError as error:
            raise BusyError(f"{error}; wait for it, or choose another --output") from None
        except OSError as error:
            raise FolderError(f"the folder {folder} cannot be written: {error}; choose another --output") from error
        if unlocked:
            print(unlocked, file=sys.stderr)
        yield


def check_free(folder: Path) -> None:
    """Raises FolderError where the folder holds a run, or cannot be read."""
    from florg_app.checkpoints.run_folder import holds_run  # here: it imports torch

    try:
        taken = holds_run(folder)
    except OSError as error:
        raise FolderError(f"the folder {folder} cannot be read: {error}; choose another --output") from error
    if taken:
        raise FolderError(f"{folder} already holds a run; choose another --output, or go on with it by resume-from")
