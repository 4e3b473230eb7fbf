"""A federation of two clients on this machine's loopback, with TLS, for as long as something is measured on it."""

import os
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from florg_app.certificates import CA_CERTIFICATE, client_names, make_certificates

BIN = Path(sys.executable).parent
NUM_CLIENTS = 2


def free_port() -> int:
    """Find a port that nobody has."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def started(command: Sequence[str], folder: Path, env: dict[str, str], name: str) -> Iterator[None]:
    """A command of this environment for the length of the block."""
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen([str(BIN / command[0]), *command[1:]], cwd=folder, env=env, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()


@contextmanager
def federation(folder: Path, supernode: Sequence[str]) -> Iterator[dict[str, str]]:
    """A SuperLink and two SuperNodes under TLS; yields the environment whose Flower connection "bench" reaches them."""
    home, port, keys = folder / "home", free_port(), folder / "certs"
    home.mkdir(parents=True)
    make_certificates(keys, ["127.0.0.1"], client_names(str(NUM_CLIENTS)), days=2)
    address, authority = f"127.0.0.1:{port}", keys / "ca" / CA_CERTIFICATE
    (home / "config.toml").write_text(f'[superlink.bench]\naddress = "{address}"\nroot-certificates = "{authority}"\n')
    quiet = ("FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION", "FLWR_DISABLE_UPDATE_CHECK", "HF_HUB_OFFLINE")
    env = {**os.environ, **dict.fromkeys(quiet, "1"), "FLWR_TELEMETRY_ENABLED": "0", "TOKENIZERS_PARALLELISM": "false"}
    env |= {"FLWR_HOME": str(home), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    env["FLWR_SUPEREXEC_TASK_POLL_INTERVAL"] = "0.05"  # as `florg supernode` asks
    with ExitStack() as stack:
        link = ["flower-superlink", "--host", "127.0.0.1", "--port", str(port)]
        for option, file in (("ca-certfile", "ca.crt"), ("certfile", "server.crt"), ("keyfile", "server.key")):
            link += [f"--ssl-{option}", str(keys / "server" / file)]
        stack.enter_context(started(link, folder, env, "superlink"))
        await_health(port, authority)
        for number in range(NUM_CLIENTS):
            config = f"partition-id={number} num-partitions={NUM_CLIENTS}"
            node = [*supernode, "--root-certificates", str(authority), "--superlink", address, "--host", "127.0.0.1"]
            node += ["--port", str(free_port()), "--node-config", config]
            own = {**env, "FLWR_HOME": str(folder / f"node-{number}")}
            stack.enter_context(started(node, folder, own, f"supernode-{number}"))
        yield env


def await_health(port: int, authority: Path, seconds: float = 120.0) -> None:
    """Wait until the SuperLink serves. Raises TimeoutError."""
    deadline, trust = time.monotonic() + seconds, ssl.create_default_context(cafile=authority)
    while time.monotonic() < deadline:
        with suppress(OSError):
            urllib.request.urlopen(f"https://127.0.0.1:{port}/health", timeout=5, context=trust).close()
            return
        time.sleep(0.2)
    raise TimeoutError(f"the SuperLink on port {port} does not answer")
