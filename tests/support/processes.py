"""Real Flower processes on loopback for a test: private home, free ports, ended at the end."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from tests.support import patience

BIN = Path(sys.executable).parent
ENVIRONMENT = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def process(name: str, arguments: list[str], folder: Path, env: dict[str, str]) -> Iterator[subprocess.Popen]:
    """Run a console command of this environment; its output goes to `folder/name.log`."""
    with (folder / f"{name}.log").open("ab") as log:
        running = subprocess.Popen(
            [BIN / arguments[0], *arguments[1:]], env=env, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
        try:
            yield running
        finally:
            end(running)


GRACE_SECONDS = 20.0
"""For a process to end in order before it is killed; nothing that a test asserts hangs on how it ended."""


def end(running: subprocess.Popen) -> None:
    """End a process and what it started in its session; one that has ended already is fine."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(running.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            running.wait(GRACE_SECONDS)


def kill(running: subprocess.Popen, how: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process and to all that it started, as the end of its machine would, and wait for its end."""
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(running.pid).children(recursive=True):  # Flower gives them sessions of their own
            with suppress(psutil.NoSuchProcess):
                child.send_signal(how)
    running.send_signal(how)
    running.wait(patience.left())


def processes_of(folder: Path) -> list[psutil.Process]:
    """Processes whose environment names the folder; read raw, as Ray's renamed processes hide it from psutil."""
    found = []
    for candidate in psutil.process_iter():
        with suppress(OSError):
            if str(folder).encode() in Path(f"/proc/{candidate.pid}/environ").read_bytes():
                found.append(candidate)
    return found


def await_end(folder: Path) -> None:
    """Wait until no process of the folder is left. Raises AssertionError with those that are, having killed them."""
    try:
        patience.until("no process is left", lambda: not processes_of(folder))
    except TimeoutError as error:
        commands = [" ".join(process.cmdline())[:200] for process in processes_of(folder)]
        end_all(folder)
        raise AssertionError(f"still running: {commands}") from error


def end_all(folder: Path) -> None:
    """Give the processes of the folder some time to notice their parent's end, then kill them."""
    _until_none(folder)
    for left in processes_of(folder):
        with suppress(psutil.NoSuchProcess):
            left.kill()
    _until_none(folder)


def _until_none(folder: Path) -> None:
    deadline = time.monotonic() + GRACE_SECONDS
    while processes_of(folder) and time.monotonic() < deadline:  # psutil.wait_procs would wait for zombies too
        time.sleep(0.2)


def await_health(
    running: subprocess.Popen, port: int, tls: ssl.SSLContext | None = None, host: str = "localhost"
) -> None:
    """Wait until the process serves its port. Raises RuntimeError where it ends before, TimeoutError."""
    url = f"{'https' if tls else 'http'}://{host}:{port}/health"

    def serves() -> bool:
        with suppress(OSError):
            urllib.request.urlopen(url, timeout=patience.left(), context=tls).close()
            return True
        return False

    patience.until(f"{url} answers", serves, running)


def await_line(log: Path, text: str, times: int = 1, running: subprocess.Popen | None = None) -> None:
    """Wait until a log holds the text so many times.

    Raises TimeoutError, and RuntimeError where the process that writes it ends before, with the end of the log.
    """

    def said() -> str:
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

    try:
        patience.until(f"{log.name} says {text!r}", lambda: said().count(text) >= times, running)
    except (TimeoutError, RuntimeError) as error:
        raise type(error)(f"{error}:\n{said()[-2000:]}") from error


@contextmanager
def federation(folder: Path, num_clients: int, *supernode: str) -> Iterator[dict[str, str]]:
    """A SuperLink and SuperNodes; yields the environment whose Flower connection "test" reaches them.

    supernode: the command of a SuperNode, if not Flower's.
    """
    home, port = folder / "flwr-home", free_port()
    home.mkdir()
    address = f"127.0.0.1:{port}"
    (home / "config.toml").write_text(
        f'[superlink]\ndefault = "test"\n\n[superlink.test]\naddress = "{address}"\ninsecure = true\n'
    )
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # Flower starts its own commands by name
    env = {**os.environ, **ENVIRONMENT, "FLWR_HOME": str(home), "PATH": path}
    with ExitStack() as stack:
        link = ["flower-superlink", "--insecure", "--host", "127.0.0.1", "--port", str(port)]
        await_health(stack.enter_context(process("superlink", link, folder, env)), port)
        for partition in range(num_clients):
            own = ["--host", "127.0.0.1", "--port", str(free_port())]
            config = f"partition-id={partition} num-partitions={num_clients}"
            node = [
                *(supernode or ("flower-supernode",)),
                "--insecure",
                "--superlink",
                address,
                *own,
                "--node-config",
                config,
            ]
            node_env = {**env, "FLWR_HOME": str(folder / f"node-{partition}")}
            stack.enter_context(process(f"supernode-{partition}", node, folder, node_env))
        yield env
