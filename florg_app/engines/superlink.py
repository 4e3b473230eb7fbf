"""A private SuperLink for one simulation, so that nothing of an earlier run reaches this one.

The SuperLink that `flwr run` starts for local simulations stays alive for later runs, with the environment, the
working directory and, through the latter, the code of the first.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO

import psutil

CONNECTION = "florg"
"""Name of the connection to the private SuperLink in its own Flower configuration."""

BIN = Path(sys.executable).parent
"""Where Flower's commands of this Python environment are."""

START_SECONDS, PROCESS_END_SECONDS = 60.0, 5.0


class LaunchError(RuntimeError):
    """A run could not be started or followed; the message says why and where to look."""


@contextlib.contextmanager
def private_superlink(environment: Mapping[str, str], log: IO[bytes]) -> Iterator[dict[str, str]]:
    """Start a SuperLink for simulations; yields the environment in which `flwr` commands reach it as CONNECTION.

    On leaving, it and every process that it started, Ray's included, has ended, and its files are gone.
    Raises LaunchError where it does not start.
    """
    home = Path(tempfile.mkdtemp(prefix="florg-"))
    family = None
    try:
        port = _free_port()
        (home / "config.toml").write_text(
            f'[superlink]\ndefault = "{CONNECTION}"\n\n'
            f'[superlink.{CONNECTION}]\naddress = "127.0.0.1:{port}"\ninsecure = true\n'
        )
        env = {**environment, "FLWR_HOME": str(home)}
        command = [find_command("flower-superlink"), "--insecure", "--simulation", "--isolation", "subprocess"]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        # cwd: Ray puts it on the clients' module path; here it holds no module that could shadow the app's.
        # A session of its own: Ctrl-C reaches this process alone, which then stops the run in order.
        process = subprocess.Popen(
            command, cwd=home, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        family = ProcessFamily(process)
        _wait_until_healthy(process, port)
        family.meet()
        yield env
    finally:
        with _uninterrupted():
            if family is not None:
                family.end()
            shutil.rmtree(home, ignore_errors=True)


def find_command(name: str) -> str:
    """The path of one of Flower's commands, of this Python environment first. Raises LaunchError."""
    found = shutil.which(name, path=str(BIN)) or shutil.which(name)
    if found is None:
        raise LaunchError(f"the command {name} is not there; is flwr[simulation] installed in {sys.prefix}?")
    return found


class ProcessFamily:
    """A process and all that it started, known by session: that stays where a parent dies before its child."""

    def __init__(self, leader: subprocess.Popen[bytes]):
        """`leader` leads a session of its own."""
        self._leader = leader
        self._since = psutil.Process(leader.pid).create_time()
        self._sessions = {leader.pid}

    def meet(self) -> None:
        """Take in the sessions of the leader's present descendants; to be called once its services are up."""
        for child in psutil.Process(self._leader.pid).children(recursive=True):
            with contextlib.suppress(OSError):
                self._sessions.add(os.getsid(child.pid))

    def members(self) -> list[psutil.Process]:
        """Those that are alive."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                ours = os.getsid(process.pid) in self._sessions and process.create_time() >= self._since
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def end(self) -> None:
        """End the leader, which ends its children in order; then those that did not listen."""
        self._leader.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._leader.wait(PROCESS_END_SECONDS)
        self._wait_for_members()
        for signal_one in (psutil.Process.terminate, psutil.Process.kill):
            for process in self.members():
                with contextlib.suppress(psutil.NoSuchProcess):
                    signal_one(process)
            self._wait_for_members()
        self._leader.wait()

    def _wait_for_members(self) -> None:
        deadline = time.monotonic() + PROCESS_END_SECONDS
        while self.members() and time.monotonic() < deadline:  # psutil.wait_procs would wait for zombies too
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise LaunchError(f"flower-superlink ended with status {process.returncode} while starting")
        if _healthy(port):
            return
        time.sleep(0.1)
    raise LaunchError(f"flower-superlink did not answer within {START_SECONDS:.0f} s")


def _healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=1)  # not urllib, which would ask a proxy
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM for the seconds in which child processes are ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """The environment of Flower's commands: this Python's commands first, nothing installed, nothing phoned home."""
    # Ray makes sockets below the temporary folder, whose paths may have 107 bytes, 68 of them Ray's.
    ray = {"RAY_TMPDIR": "/tmp"} if len(base.get("TMPDIR", "")) > 107 - 68 else {}
    local = ",".join(filter(None, [base.get("NO_PROXY") or base.get("no_proxy"), "127.0.0.1", "localhost"]))
    return {
        **ray,
        **base,
        "PATH": f"{BIN}{os.pathsep}{base.get('PATH', os.defpath)}",  # the SuperLink finds flower-superexec there
        "NO_PROXY": local,
        "no_proxy": local,
        "PYTHONUNBUFFERED": "1",  # or the log arrives in blocks of 8 kB
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
