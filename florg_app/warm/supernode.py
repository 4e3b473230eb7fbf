"""`flower-supernode` with a worker beside it, as one command: its arguments are Flower's, and a few more."""

import argparse
import ctypes
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from .residents import Resident, Residents, end_process

TASK_POLL_SECONDS = 0.05
"""Between two questions to the SuperNode whether there is something to do."""

SUPERNODE_END_SECONDS = 20.0
"""How long the SuperNode may take to end by itself before it is killed."""

_SET_PDEATHSIG = 1  # of prctl(2)

LOOPBACK, PORT = "127.0.0.1", 9094
"""Where Flower's SuperNode offers its tasks unless it is told otherwise."""

OURS = ("--isolation", "--superexec-auth-secret-file", "--ssl-certfile", "--ssl-keyfile", "--ssl-ca-certfile")
"""Options of flower-supernode that this command decides: tasks stay on this machine's loopback."""


def parser() -> argparse.ArgumentParser:
    """Make the reader of the arguments that are not simply handed on."""
    made = argparse.ArgumentParser(
        prog="florg supernode",
        description="flower-supernode, whose clients keep model, rows and GPU memory between messages. All other "
        "options are those of flower-supernode.",
        allow_abbrev=False,
    )
    made.add_argument("--keep", type=int, default=1, metavar="N", help="runs whose clients may be in memory at once")
    made.add_argument(
        "--keep-seconds", type=float, default=600.0, metavar="S", help="how long one stays there without a message"
    )
    made.add_argument("--host", default=LOOPBACK, help=f"must be of this machine alone (default: {LOOPBACK})")
    made.add_argument("--port", type=int, default=PORT, help=f"where tasks are offered (default: {PORT})")
    return made


def main(arguments: Sequence[str]) -> int:
    """Run until the SuperNode ends, or a signal asks for the end; returns the SuperNode's exit status."""
    options, handed_on = parser().parse_known_args(list(arguments))
    for option in OURS:
        if any(word.split("=")[0] == option for word in handed_on):
            parser().error(f"{option} is decided here: leave it out, or use flower-supernode itself")
    if options.keep < 1 or options.keep_seconds < 0:
        parser().error("--keep is at least 1, --keep-seconds at least 0")
    if options.host not in (LOOPBACK, "localhost", "::1"):
        parser().error(f"--host {options.host}: tasks are offered on this machine's loopback alone")
    try:
        from .tasks import TaskSource
    except ImportError as error:
        parser().error(f"this version of Flower offers its tasks in another way ({error}): use flower-supernode")
    address, secret = f"{options.host}:{options.port}", secrets.token_bytes(32)
    residents = Residents(lambda: Resident(address), options.keep, options.keep_seconds, _say)
    with _ended_in_order(), _secret_file(secret) as file:
        command = ["flower-supernode", *handed_on, "--host", options.host, "--port", str(options.port)]
        supernode = _start([*command, "--isolation", "process", "--superexec-auth-secret-file", str(file)])
        tasks = TaskSource(address, secret)
        try:
            while supernode.poll() is None:
                residents.tend()
                if task := tasks.next():
                    residents.give(task.run, task.token)
                else:
                    time.sleep(TASK_POLL_SECONDS)
            return abs(supernode.returncode)
        finally:
            residents.end()
            tasks.close()
            end_process(supernode, SUPERNODE_END_SECONDS)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into the end of the block, as Ctrl-C is."""

    def leave(number: int, _: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None


@contextmanager
def _secret_file(secret: bytes) -> Iterator[Path]:
    """A file that this user alone can read."""
    with tempfile.TemporaryDirectory(prefix="florg-") as folder:
        file = Path(folder) / "secret"
        file.write_bytes(secret)
        file.chmod(0o600)
        yield file


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    beside = Path(sys.executable).with_name(command[0])  # of this environment, also where that is not the active one
    command[0] = str(beside) if beside.is_file() else command[0]
    return subprocess.Popen(
        command, start_new_session=True, preexec_fn=_end_with_parent if sys.platform == "linux" else None
    )


def _end_with_parent() -> None:
    """In the SuperNode's process: it ends where this one is killed, since nobody would work on its tasks."""
    ctypes.CDLL(None).prctl(_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _say(text: str) -> None:
    print(f"florg supernode: {text}", file=sys.stderr, flush=True)
