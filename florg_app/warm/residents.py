"""The processes that clients live in: one for each run, as many as are allowed, each until it was idle too long."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PROGRAM = Path(__file__).with_name("resident.py")
RESIDENT_END_SECONDS = 10.0
"""How long a process may take to end by itself before it is killed."""


def end_process(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ask a process to end and wait for so long, then kill it; returns once it has given back its memory."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Resident:
    """One process, and the tasks that it was given."""

    def __init__(self, address: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", str(PROGRAM), address, str(theirs.fileno()), str(os.getpid())]
            # A session of its own: Ctrl-C reaches the worker alone, which then ends all in order.
            self._process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True
            )
        ours.setblocking(False)
        self._channel, self._said = ours, b""
        self._waiting: list[str] = []
        """Tokens of tasks that it has not begun."""
        self.run: int | None = None
        """None: it has had no task."""
        self.busy = False
        self.idle_since = time.monotonic()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status; None while it is there."""
        return self._process.poll()

    def give(self, token: str) -> None:
        """Have it work on a task, after those that it was given before."""
        self._waiting.append(token)
        with suppress(OSError):  # it has just died, which `listen` finds
            self._channel.sendall(f"{token}\n".encode())
        self.busy = True

    def listen(self) -> None:
        """Take note of what it has begun and done."""
        with suppress(OSError):
            self._said += self._channel.recv(4096)
        *lines, self._said = self._said.split(b"\n")
        for line in lines:
            if line == b"begun":
                self._waiting.pop(0)
            else:
                self.busy = bool(self._waiting)
                self.idle_since = time.monotonic()

    @property
    def unbegun(self) -> list[str]:
        """Tokens of tasks that somebody else may still work on."""
        return list(self._waiting)

    def end(self) -> None:
        """End it; returns once it has given back its memory."""
        self._channel.close()
        end_process(self._process, RESIDENT_END_SECONDS)


class Residents:
    """All of them, and one more that waits for its first task while there is no other."""

    def __init__(
        self, start: Callable[[], Resident], most: int, idle_seconds: float, say: Callable[[str], None]
    ) -> None:
        """Keep at most `most` clients' memory at once, each for as long as it is idle for less than `idle_seconds`."""
        self._start, self._most, self._idle_seconds, self._say = start, most, idle_seconds, say
        self._all: list[Resident] = []

    def give(self, run: int, token: str) -> None:
        """Have the process of a run work on a task; another run's is ended first where too many would be there."""
        own = next((r for r in self._all if r.run == run and r.status is None), None) or self._spare(run)
        own.give(token)

    def tend(self) -> None:
        """Listen to all; drop those that have ended, and end those that were idle too long."""
        for resident in list(self._all):
            resident.listen()
            idle = time.monotonic() - resident.idle_since
            if resident.status is not None:
                self._all.remove(resident)
                self._bury(resident)
            elif resident.run is not None and not resident.busy and idle > self._idle_seconds:
                self._end(resident, f"had nothing to do for {idle:.0f} s")
        if not self._all:
            self._all.append(self._start())

    def end(self) -> None:
        """End all of them."""
        for resident in self._all:
            resident.end()
        self._all.clear()

    def _spare(self, run: int) -> Resident:
        """The one that waits, or a new one."""
        taken = next((r for r in self._all if r.run is None and r.status is None), None)
        if taken is None:
            idle = sorted((r for r in self._all if not r.busy), key=lambda r: r.idle_since)
            for resident in idle[: max(len(self._all) + 1 - self._most, 0)]:
                self._end(resident, f"makes room for run {run}")
            taken = self._start()
            self._all.append(taken)
        taken.run = run
        self._say(f"run {run}: its client lives in process {taken.pid}")
        return taken

    def _end(self, resident: Resident, why: str) -> None:
        self._say(f"run {resident.run}: process {resident.pid} {why}, and ends; a further message starts another")
        self._all.remove(resident)
        resident.end()

    def _bury(self, resident: Resident) -> None:
        """Give what an ended process had not begun to another. What it was at is lost, which Flower finds by itself."""
        if resident.run is not None:
            self._say(f"run {resident.run}: process {resident.pid} has ended (status {resident.status})")
            for token in resident.unbegun:
                self.give(resident.run, token)
