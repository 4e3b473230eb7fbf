"""The files of an app that Flower ships, without those around them.

`flwr run` resolves every file beneath the folder that it is given before it looks at `fab-include`, which takes seconds
where a virtual environment is among them.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from florg_app.config.runconfig import app_table

ALWAYS_SHIPPED = ("pyproject.toml", ".gitignore")
WILD = "*?[!\\"


@contextmanager
def bundle_app(app: Path) -> Iterator[Path]:
    """A temporary folder of which Flower builds the same FAB, to the byte, as of the folder `app`.

    It is `app` itself where a pattern may match anywhere, so that every file has to be looked at.
    """
    table = app_table(app) or {}
    patterns = table.get("fab-include", [""]) + table.get("fab-exclude", [])
    tops = {_top(pattern) for pattern in patterns}
    if None in tops:
        yield app
        return
    with TemporaryDirectory(prefix="florg-app-") as name:
        for top in tops.union(ALWAYS_SHIPPED):
            _copy(app / str(top), Path(name) / str(top))
        yield Path(name)


def _top(pattern: str) -> str | None:
    """The file or folder of the app in which all is that a pattern in .gitignore's syntax matches; None = anywhere."""
    top, slash, _ = pattern.removeprefix("/").partition("/")
    return top if top and (slash or pattern.startswith("/")) and not set(top) & set(WILD) else None


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    elif source.exists():
        shutil.copy2(source, target)
