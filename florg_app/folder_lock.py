"""One writer at a time in a folder, by a lock of the kernel's, which ends with its process, however that ends."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

RUN_LOCK = "run.lock"
"""File, in the folder of a run, of the server that writes there."""


class FolderError(ValueError):
    """A folder cannot be used for results; the message says why."""


class BusyError(FolderError):
    """Somebody else is at work in the folder; the message says who."""


@contextmanager
def folder_lock(file: Path, who: str) -> Iterator[str]:
    """Hold a lock for as long as the block lasts; the kernel's, which ends with the process however that ends.

    Args:
        file: the lock, in the folder that it is of.
        who: what anybody who holds it is, in words: "a comparison".

    Yields:
        Why there is no lock, where the file system knows none; "" where there is one.

    Raises:
        BusyError: somebody holds it.
        OSError: the file cannot be made.
    """
    handle, problem = _acquire(file, who)
    try:
        yield problem
    finally:
        # While it is held: whoever opened the file before and gets the lock later finds that the name is another's.
        with suppress(OSError):
            file.unlink()
        os.close(handle)


def _acquire(file: Path, who: str) -> tuple[int, str]:
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BusyError(f"{file.parent}: {who} is at work there ({_owner(handle)})") from None
            except OSError as error:
                return handle, f"{file.parent} has no locks ({error}): see to it that nobody else writes there"
            if _names(file, handle):
                os.truncate(handle, 0)
                os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
                return handle, ""
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # its holder has just removed it


def _names(file: Path, handle: int) -> bool:
    """Whether the opened file is still the one of that name."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.stat(file), os.fstat(handle))
    return False


def _owner(handle: int) -> str:
    text = os.pread(handle, 200, 0).decode("utf-8", "replace").split("\n")[0]
    return text or "unknown process"
