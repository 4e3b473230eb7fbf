"""A copy of the project in which one file at a time is made faulty, and tests run in a process that is warm already."""

import enum
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

WARM = (
    *("pytest", "pytest_timeout", "_hypothesis_pytestplugin", "hypothesis", "coverage", "beartype", "jaxtyping"),
    *("torch", "transformers", "peft", "safetensors.torch", "datasets", "sklearn.metrics", "scipy.stats"),
    *("flwr.app", "flwr.clientapp", "flwr.serverapp", "pydantic", "typer.testing", "matplotlib.pyplot"),
)
"""Libraries that are imported once, and not again for every fault."""

HANG_SECONDS = 300
"""A fault may make a loop endless; a test that takes so long has noticed it."""


class Played(enum.Enum):
    """How tests ended."""

    PASSED = 0
    FAILED = 1


@dataclass(frozen=True)
class Outcome:
    """How tests ended, and their last words."""

    verdict: Played
    words: str


class Stage:
    """The copy."""

    def __init__(self, root: Path) -> None:
        self.root, self._changes = root, 0

    def play(self, arguments: Sequence[str]) -> Outcome:
        """Run pytest in a fork of this process, which has imported nothing of the project. Raises RuntimeError."""
        log = self.root.parent / "pytest.log"
        child = os.fork()
        if child == 0:
            _pytest(self.root, log, arguments)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        words = log.read_text(encoding="utf-8", errors="replace")
        if status in (3, 4):
            raise RuntimeError(f"pytest could not run:\n{words[-3000:]}")
        return Outcome(Played.PASSED if status in (0, 5) else Played.FAILED, words[-3000:])

    @contextmanager
    def faulty(self, file: str, text: str) -> Iterator[None]:
        """The copy with another text of this file."""
        path = self.root / file
        right, times = path.read_text(encoding="utf-8"), path.stat()
        path.write_text(text, encoding="utf-8")
        # Bytecode is kept by size and second of the last change; a fault of one character changes neither by itself.
        self._changes += 1
        os.utime(path, (times.st_atime, times.st_mtime + 10 * self._changes))
        try:
            yield
        finally:
            path.write_text(right, encoding="utf-8")
            os.utime(path, (times.st_atime, times.st_mtime))


@contextmanager
def stage(repository: Path) -> Iterator[Stage]:
    """Copy what is or could be in git; the copy is gone on leaving."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout.split("\0")
    with tempfile.TemporaryDirectory(prefix="florg-mutants-") as folder:
        root = Path(folder) / "project"
        for name in filter(None, names):
            if (repository / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(repository / name, root / name)
        for library in WARM:
            import_module(library)
        yield Stage(root)


def _pytest(root: Path, log: Path, arguments: Sequence[str]) -> None:
    """What the fork does; it does not return."""
    status = 3
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        sys.stdout = sys.stderr = log.open("w", encoding="utf-8")
        for stream in (1, 2):
            os.dup2(sys.stdout.fileno(), stream)
        os.chdir(root)
        for name in [n for n in sys.modules if n.partition(".")[0] in ("tests", "strategies", "clients", "florg_app")]:
            del sys.modules[name]
        sys.path[:] = [str(root), *(p for p in sys.path if p not in ("", os.getcwd()))]
        os.environ["PYTHONPATH"] = str(root)  # of processes that tests start
        import pytest

        quiet = ["-q", "-x", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", f"--timeout={HANG_SECONDS}"]
        status = int(pytest.main([*quiet, *arguments]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
