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


def end(running: subprocess.Popen) -> None:
    """End a process and what it started in its session; one that has ended already is fine."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(running.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            running.wait(timeout=20)


def kill(running: subprocess.Popen, how: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process and to all that it started, as the end of its machine would, and wait for its end."""
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(running.pid).children(recursive=True):  # Flower gives them sessions of their own
            with suppress(psutil.NoSuchProcess):
                child.send_signal(how)
    running.send_signal(how)
    running.wait(60)


def processes_of(folder: Path) -> list[psutil.Process]:
    """Processes whose environment names the folder; read raw, as Ray's renamed processes hide it from psutil."""
    found = []
    for candidate in psutil.process_iter():
        with suppress(OSError):
            if str(folder).encode() in Path(f"/proc/{candidate.pid}/environ").read_bytes():
                found.append(candidate)
    return found


def await_end(folder: Path, seconds: float = 120) -> None:
    """Wait until no process of the folder is left. Raises AssertionError with those that are, having killed them."""
    deadline = time.monotonic() + seconds
    while left := processes_of(folder):
        if time.monotonic() > deadline:
            commands = [" ".join(process.cmdline())[:200] for process in left]
            end_all(folder, 0)
            raise AssertionError(f"still running after {seconds:.0f} s: {commands}")
        time.sleep(0.1)


def end_all(folder: Path, seconds: float = 15) -> None:
    """Wait until no process of the folder is left, as children that notice their parent's end; then kill the rest."""
    deadline = time.monotonic() + seconds
    while processes_of(folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    for left in processes_of(folder):
        with suppress(psutil.NoSuchProcess):
            left.kill()


def await_health(
    running: subprocess.Popen,
    port: int,
    seconds: float = 60,
    tls: ssl.SSLContext | None = None,
    host: str = "localhost",
) -> None:
    """Wait until the process serves its port; raises OSError where it has ended or does not come up."""
    url = f"{'https' if tls else 'http'}://{host}:{port}/health"
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=2, context=tls).close()
            return
        except OSError:
            if time.monotonic() > deadline or running.poll() is not None:
                raise
            time.sleep(0.2)


def await_line(log: Path, text: str, seconds: float = 60) -> None:
    """Wait until a log holds the text. Raises TimeoutError with the end of the log."""
    deadline = time.monotonic() + seconds
    while not log.exists() or text not in log.read_text(encoding="utf-8", errors="replace"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{log.name} has no {text!r} after {seconds:.0f} s:\n{log.read_text()[-2000:]}")
        time.sleep(0.2)


@contextmanager
def federation(folder: Path, num_clients: int) -> Iterator[dict[str, str]]:
    """A SuperLink and SuperNodes; yields the environment whose Flower connection "test" reaches them."""
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
            node = ["flower-supernode", "--insecure", "--superlink", address, *own, "--node-config", config]
            node_env = {**env, "FLWR_HOME": str(folder / f"node-{partition}")}
            stack.enter_context(process(f"supernode-{partition}", node, folder, node_env))
        yield env
