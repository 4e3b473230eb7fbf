"""Files and folders that are either complete or absent."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors import SafetensorError


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file such that a crash at any moment leaves it as it was, or complete.

    Args:
        path: the file to make or replace.
        write: gets the path of a file beside it, which is moved to `path` once it is on the disk.

    Raises:
        OSError: the disk is full, or the folder cannot be written; and whatever `write` raises. Nothing is left over.
    """
    temporary = path.with_name(f".{path.name}.partial")
    if temporary.is_symlink() or temporary.is_fifo():  # `write` would follow it, or wait for a reader
        temporary.unlink()
    try:
        write(temporary)
        _sync(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)  # the rename itself is lost in a power cut until the folder is on the disk


def write_tensors(path: Path, write: Callable[[Path], object]) -> None:
    """`write_atomically` for safetensors, whose own error on a full disk is none of OSError. Raises OSError."""
    try:
        write_atomically(path, write)
    except SafetensorError as error:
        raise OSError(f"{path}: {error}") from error


@contextmanager
def folder_atomically(path: Path) -> Iterator[Path]:
    """Make a folder that is there with all its files, or not at all.

    Args:
        path: the name that the new folder takes when the block ends well; otherwise it disappears.

    Raises:
        ValueError: `path` exists.
        OSError: nothing can be written there.
    """
    if path.exists():
        raise ValueError(f"{path} exists already; choose another folder, or remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as temporary:
        folder = Path(temporary) / path.name
        folder.mkdir()
        yield folder
        folder.rename(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
