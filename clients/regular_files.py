"""Reading what lies in a folder that others may have been at: regular files alone."""

import errno
from pathlib import Path


def read_regular(path: Path) -> bytes:
    """Read a whole file, or what a link leads to.

    Raises:
        OSError: there is none, it cannot be read, or it is a folder, a pipe or a device: reading a pipe waits for who
            writes it, and a device may have no end.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "It is a folder" if path.is_dir() else "It is no regular file", str(path))
    return path.read_bytes()
