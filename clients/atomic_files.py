"""Files and folders that are either complete or absent."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors import SafetensorError


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


def write_tensors(path: Path, write: Callable[[Path], object]) -> None:
    """`write_atomically` for safetensors, whose own error on a full disk is none of OSError. Raises OSError."""
    try:
        write_atomically(path, write)
    except SafetensorError as error:
        raise OSError(f"{path}: {error}") from error


@contextmanager
def folder_atomically(path: Path) -> Iterator[Path]:
    """A new folder beside `path`, which takes that name when the block ends well and disappears otherwise.

    Raises ValueError where `path` exists, and OSError where nothing can be written there.
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
