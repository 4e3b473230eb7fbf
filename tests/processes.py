"""Real Flower processes on loopback for a test: private home, free ports, ended at the end."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

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
    with (folder / f"{name}.log").open("wb") as log:
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


def await_health(running: subprocess.Popen, port: int, seconds: float = 60) -> None:
    """Wait until the process serves its port; raises OSError where it has ended or does not come up."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
            return
        except OSError:
            if time.monotonic() > deadline or running.poll() is not None:
                raise
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
