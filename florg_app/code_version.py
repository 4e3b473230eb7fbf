"""Which code runs: a hash that lets a client notice that the server runs another version."""

import hashlib
from functools import lru_cache
from pathlib import Path

OUR_PACKAGES = ("florg_app", "clients", "strategies")

PROJECT = "florg-app"
"""The name by which pip knows this project."""

OUR_MARK = f'__project__ = "{PROJECT}"'
"""A line of the `__init__.py` of each of our packages: other projects have packages of the same names."""

APP_ROOT = Path(__file__).resolve().parent.parent


@lru_cache(maxsize=1)
def code_fingerprint() -> str:
    """16 hex digits over the names and contents of our packages' Python files, wherever they are installed.

    A local simulation can otherwise run the server from the bundle and its clients from a stale working directory.
    """
    return digest_of(APP_ROOT)


def digest_of(root: Path) -> str:
    """The fingerprint of the packages that lie in another folder."""
    digest = hashlib.sha256()
    for path in sorted(path for package in OUR_PACKAGES for path in (root / package).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def has_packages(root: Path) -> bool:
    """Whether one of our packages lies in a folder, so that Python would find it there."""
    return any((root / package).is_dir() for package in OUR_PACKAGES)
