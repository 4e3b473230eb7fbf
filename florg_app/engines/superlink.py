"""A private SuperLink for one simulation, so that nothing of an earlier run reaches this one.

The SuperLink that `flwr run` starts for local simulations stays alive for later runs, with the environment, the
working directory and, through the latter, the code of the first.
"""

import contextlib
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO

import psutil

from florg_app.engines.process_family import ProcessFamily

CONNECTION = "florg"
"""Name of the connection to the private SuperLink in its own Flower configuration."""

BIN = Path(sys.executable).parent
"""Where Flower's commands of this Python environment are."""

START_SECONDS, PORTS = 300.0, 3

_REMEDY = "are there limits on processes, open files or space (ulimit -a, df)?"


class LaunchError(RuntimeError):
    """A run could not be started or followed; the message says why and where to look."""


@contextlib.contextmanager
def private_superlink(environment: Mapping[str, str], log: IO[bytes]) -> Iterator[dict[str, str]]:
    """Start a SuperLink for simulations; yields the environment in which `flwr` commands reach it as CONNECTION.

    On leaving, and where this process is killed, it and every process that it started, Ray's included, has ended, and
    its files are gone. Raises LaunchError where it does not start.
    """
    with contextlib.ExitStack() as stack:
        try:
            env = _started(environment, log, stack)
        except OSError as error:
            raise LaunchError(f"no process could be started: {error}; {_REMEDY}") from error
        yield env


def _started(environment: Mapping[str, str], log: IO[bytes], stack: contextlib.ExitStack) -> dict[str, str]:
    """A SuperLink that serves; `stack` ends it and removes its files. Raises LaunchError and OSError."""
    for port in _free_ports():
        home = Path(tempfile.mkdtemp(prefix="florg-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        env = {**environment, "FLWR_HOME": str(home)}
        family = _start(home, env, port, log)
        stack.callback(family.end)
        if _becomes_healthy(family, port):
            return env
    raise LaunchError(f"flower-superlink could not be started: {PORTS} ports were taken by others meanwhile")


def _start(home: Path, env: Mapping[str, str], port: int, log: IO[bytes]) -> ProcessFamily:
    (home / "config.toml").write_text(
        f'[superlink]\ndefault = "{CONNECTION}"\n\n'
        f'[superlink.{CONNECTION}]\naddress = "127.0.0.1:{port}"\ninsecure = true\n'
    )
    command = [find_command("flower-superlink"), "--insecure", "--simulation", "--isolation", "subprocess"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    # In `home`: Ray puts the working directory on the clients' module path; no module there could shadow the app's.
    return ProcessFamily(command, home, env, log)


def find_command(name: str) -> str:
    """The path of one of Flower's commands, of this Python environment first. Raises LaunchError."""
    found = shutil.which(name, path=str(BIN)) or shutil.which(name)
    if found is None:
        raise LaunchError(f"the command {name} is not there; is flwr[simulation] installed in {sys.prefix}?")
    return found


def _free_ports() -> Iterator[int]:
    """Ports that nobody has at this moment; somebody may before the SuperLink does."""
    for _ in range(PORTS):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        yield port


def _becomes_healthy(family: ProcessFamily, port: int) -> bool:
    """Wait until the SuperLink serves; False where it has ended because somebody else has the port by now.

    Raises LaunchError where it ends for another reason, or does neither.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if (status := family.status()) is not None:
            if _taken(port):
                return False
            raise LaunchError(f"flower-superlink ended with status {status} while starting")
        if _healthy(port) and any(_listens(process, port) for process in family.members()):
            return True
        time.sleep(0.1)
    raise LaunchError(f"flower-superlink did not answer within {START_SECONDS:.0f} s")


def _taken(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _listens(process: psutil.Process, port: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in process.net_connections("tcp"))
    return False


def _healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=1)  # not urllib, which would ask a proxy
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


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
