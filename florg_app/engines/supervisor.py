"""A program of its own that runs a command and ends all that it started, however whoever asked for it ends.

    python supervisor.py HOME SECONDS COMMAND ...

Its standard input is the lifeline: the asking process closes it, or the kernel when that process is gone, killed or
crashed. Then, or when the command ends by itself, everything below it is ended and HOME removed. Processes have SECONDS
to end after each request: the command's own, SIGTERM, SIGKILL. It adopts every orphan among its descendants, so that
none of them is out of its sight. Imports nothing of the project.
"""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

TERMINAL = (signal.SIGINT, signal.SIGHUP)
"""Signals that a terminal sends."""

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36  # of prctl(2)


class Supervisor:
    """The command, as long as the lifeline holds."""

    def __init__(self, command: list[str], seconds: float) -> None:
        self._seconds = seconds
        self._wake, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in TERMINAL:  # it is for the asking process to decide
            signal.signal(number, signal.SIG_IGN)
        self._told = False
        signal.signal(signal.SIGTERM, self._tell)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        _prctl(_SET_CHILD_SUBREAPER, 1)
        self._leader = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_begin)
        self.status: int | None = None
        """The command's exit status once it has ended; negative: the signal."""

    def watch(self) -> None:
        """Wait for the end of the lifeline or of the command."""
        while self.status is None and not self._told:
            ready, _, _ = select.select([sys.stdin, self._wake], [], [])
            if self._wake in ready:
                os.read(self._wake, 1024)
            self._reap()
            if sys.stdin in ready and not os.read(sys.stdin.fileno(), 1024):
                return

    def end(self) -> None:
        """End the command, which may end its children in order; then those that did not listen."""
        if self.status is None:
            self._leader.send_signal(signal.SIGTERM)
        self._wait_for_all()
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self._members():
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            self._wait_for_all()

    def _wait_for_all(self) -> None:
        deadline = time.monotonic() + self._seconds
        while self._members() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _members(self) -> set[int]:
        """All descendants that are alive, or have not been reaped by their parent."""
        self._reap()
        parents = {}
        for pid in psutil.pids():
            with suppress(psutil.Error):
                parents[pid] = psutil.Process(pid).ppid()
        found: set[int] = set()
        new = {os.getpid()}
        while new:
            new = {pid for pid, parent in parents.items() if parent in new} - found
            found |= new
        return found

    def _reap(self) -> None:
        """Take note of children, adopted ones too, that have ended."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self._leader.pid:
                    self.status = self._leader.returncode = os.waitstatus_to_exitcode(ended[1])

    def _tell(self, *_: object) -> None:
        self._told = True


def _begin() -> None:
    """In the command's process: it hears all signals, and is killed where the supervisor is."""
    for number in TERMINAL:
        signal.signal(number, signal.SIG_DFL)
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def main() -> int:
    """Run the command of the arguments; returns its exit status, or 0 where it was ended here."""
    home, seconds, *command = sys.argv[1:]
    supervisor = Supervisor(command, float(seconds))
    try:
        supervisor.watch()
        return abs(supervisor.status or 0)
    finally:
        supervisor.end()
        shutil.rmtree(Path(home), ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
