"""Files that are either complete or absent."""

import os
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write(temporary)` make a file beside `path` and move it there once it is on the disk.

    A crash at any moment leaves `path` as it was, or complete. Raises what `write` raises, and OSError.
    """
    temporary = path.with_name(f".{path.name}.partial")
    try:
        write(temporary)
        _sync(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)  # the rename itself is lost in a power cut until the folder is on the disk


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
