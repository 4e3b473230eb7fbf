"""A command with all that it starts, none of which outlives this process, also where that is killed."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO
from uuid import uuid4

import psutil

FAMILY_MARK = "FLORG_FAMILY"
"""Environment variable by whose value every process of a family is known, whatever became of its parents."""

SUPERVISOR = Path(__file__).with_name("supervisor.py")
END_SECONDS = 5.0
"""How long processes may take to end after each of three requests, before the next one."""
QUIET_LOOKS = 10
"""So often no process may be found in a row: one that is just becoming another program has no environment."""
STUCK_SECONDS = 60.0
"""After which the supervisor itself is taken for stuck."""


class ProcessFamily:
    """A command under a supervisor, see `supervisor.py`. Raises OSError where it cannot be started."""

    def __init__(self, command: Sequence[str], home: Path, env: Mapping[str, str], log: IO[bytes]) -> None:
        """The command runs in the folder `home`, which is removed at its end; its output goes to `log`."""
        self._mark = uuid4().hex
        # A session of its own: Ctrl-C and the end of a terminal reach this process alone, which then ends it in order.
        self._supervisor = subprocess.Popen(
            [sys.executable, "-P", str(SUPERVISOR), str(home), str(END_SECONDS), *command],
            cwd=home,
            env={**env, FAMILY_MARK: self._mark},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def status(self) -> int | None:
        """The command's exit status; None while it runs."""
        return self._supervisor.poll()

    def members(self) -> list[psutil.Process]:
        """The processes that are alive, the supervisor among them."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.status() != psutil.STATUS_ZOMBIE and f"{FAMILY_MARK}={self._mark}" in _environment(
                    process.pid
                ):
                    found.append(process)
        return found

    def end(self) -> None:
        """End all of them; returns once they have."""
        with uninterrupted():
            assert self._supervisor.stdin is not None
            with contextlib.suppress(OSError):
                self._supervisor.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._supervisor.wait(STUCK_SECONDS)
            if self._supervisor.returncode is None or self._supervisor.returncode < 0:
                self._sweep()
            self._supervisor.wait()

    def _sweep(self) -> None:
        """Kill all of them, where the supervisor was killed or is stuck."""
        quiet = 0
        while quiet < QUIET_LOOKS:
            left = self.members()
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            quiet = 0 if left else quiet + 1
            time.sleep(0.1)


def _environment(pid: int) -> str:
    """What a process was started with; raw, since Ray's processes, which change their titles, hide it from psutil."""
    if sys.platform == "linux":
        return Path(f"/proc/{pid}/environ").read_text(encoding="utf-8", errors="replace")
    return "\0".join(f"{name}={value}" for name, value in psutil.Process(pid).environ().items())


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C, SIGTERM and the end of the terminal for the seconds in which child processes are ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
