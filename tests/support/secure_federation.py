"""A federation of real processes on loopback as in production: TLS, and SuperNodes that must be registered."""

import json
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

from florg_app import certificates
from tests.support import patience
from tests.support.processes import BIN, ENVIRONMENT, await_health, await_line, end, end_all, free_port, process

CONNECTION = "secure"

COLD_SUPERNODE, WARM_SUPERNODE = ("flower-supernode",), ("florg", "supernode")
"""Commands of a client: a process per message, or one that stays."""


class SecureFederation:
    """One SuperLink and any number of SuperNodes, each of which can be started, killed and started again.

    `env` is the environment whose Flower connection "secure" reaches the SuperLink. Logs are `folder/NAME.log`; a
    process that is started again continues its log. `tests.support.processes.kill` ends one as a crash does.
    """

    supernode: ClassVar[tuple[str, ...]] = COLD_SUPERNODE
    """Of all federations from when it is set."""

    def __init__(
        self, folder: Path, num_clients: int, stack: ExitStack, host: str = "localhost", days: int = 2
    ) -> None:
        """The SuperLink listens on `host` alone; its certificate is valid for so many days."""
        self.folder, self.num_clients, self.host, self.port = folder, num_clients, host, free_port()
        self.address = f"{host}:{self.port}"
        self.keys = folder / "certs"
        self.processes: dict[str, subprocess.Popen] = {}
        self._stack = stack
        certificates.make_certificates(self.keys, [host], certificates.client_names(str(num_clients)), days)
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # Flower starts its own commands by name
        self.env = {**os.environ, **ENVIRONMENT, "FLWR_HOME": str(folder / "flwr-home"), "PATH": path}
        self.trust = ssl.create_default_context(cafile=self.keys / "ca/ca.crt")
        """Of whoever asks the SuperLink whether it serves."""
        self.connect(CONNECTION, f'root-certificates = "{self.keys / "ca/ca.crt"}"')

    def connect(self, name: str, *lines: str) -> None:
        """Add a connection to this SuperLink to the Flower configuration."""
        file = self.folder / "flwr-home/config.toml"
        file.parent.mkdir(exist_ok=True)
        with file.open("a", encoding="utf-8") as config:
            config.write("\n".join([f"[superlink.{name}]", f'address = "{self.address}"', *lines, ""]))

    def start_superlink(self) -> None:
        """Start it, or start it again with the state that it had, and wait until it serves."""
        server = self.keys / "server"
        command = ["flower-superlink", "--host", socket.gethostbyname(self.host), "--port", str(self.port)]
        command += ["--ssl-ca-certfile", f"{server}/ca.crt", "--ssl-certfile", f"{server}/server.crt"]
        command += ["--ssl-keyfile", f"{server}/server.key", "--enable-supernode-auth"]
        command += ["--database", str(self.folder / "state.db")]
        await_health(self.start("superlink", command), self.port, tls=self.trust, host=self.host)

    def register(self, client: str) -> None:
        """Make the SuperLink accept this client's key."""
        self.flwr("supernode", "register", str(self.keys / "clients" / client / certificates.CLIENT_PUBLIC), CONNECTION)

    def start_supernode(
        self,
        partition: int,
        client: str | None = None,
        config: str = "",
        tls: str = "",
        max_retries: int | None = None,
        within: Sequence[str] = (),
    ) -> None:
        """Start the SuperNode of a partition with the key of `client` (client-PARTITION) and further node config.

        `tls` replaces its `--root-certificates FILE`. Without `max_retries` it tries to reach the SuperLink for ever.
        `within` is a command that runs it, such as that of a network namespace.
        """
        client = client or f"client-{partition}"
        own = self.keys / "clients" / client
        command = [
            *within,
            f"{BIN}/{self.supernode[0]}",
            *self.supernode[1:],
            "--superlink",
            self.address,
            "--host",
            "127.0.0.1",
            "--port",
            str(free_port()),
        ]
        command += tls.split() or ["--root-certificates", str(own / certificates.CA_CERTIFICATE)]
        command += ["--auth-supernode-private-key", str(own / certificates.CLIENT_KEY)]
        command += [] if max_retries is None else ["--max-retries", str(max_retries)]
        node = f'partition-id={partition} num-partitions={self.num_clients} client-name="{client}" {config}'.strip()
        env = {**self.env, "FLWR_HOME": str(self.folder / f"home-{client}")}
        self.start(client, [*command, "--node-config", node], env)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def await_line(self, name: str, text: str, times: int = 1) -> None:
        """Wait until the log of a process holds the text so many times. Raises TimeoutError, RuntimeError."""
        await_line(self.folder / f"{name}.log", text, times, self.processes[name])

    def await_online(self, num_nodes: int) -> None:
        """Wait until so many SuperNodes are there. Raises TimeoutError."""

        def online() -> bool:
            return sum(node["status"] == "online" for node in self.nodes()) == num_nodes

        patience.until(f"{num_nodes} SuperNodes are online", online)

    def nodes(self) -> list[dict]:
        """The registered SuperNodes as the SuperLink sees them."""
        return self.flwr("supernode", "list", CONNECTION)["nodes"]

    def flwr(self, *arguments: str) -> dict:
        """The JSON answer of a `flwr` command. Raises AssertionError with its output where it fails."""
        command = [BIN / "flwr", *arguments, "--format", "json"]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout[done.stdout.index("{") :])

    def start(self, name: str, command: list[str], env: dict[str, str] | None = None) -> subprocess.Popen:
        """Start a command of this Python environment; one of that name that runs already is ended."""
        if name in self.processes:
            end(self.processes[name])
        running = self._stack.enter_context(process(name, command, self.folder, env or self.env))
        self.processes[name] = running
        return running


@contextmanager
def federation_of(folder: Path, num_clients: int, *node_configs: str) -> Iterator[SecureFederation]:
    """A SuperLink, and a registered SuperNode for each of `node_configs`; all have ended on leaving."""
    try:
        with ExitStack() as stack:
            federation = SecureFederation(folder, num_clients, stack)
            federation.start_superlink()
            for partition, config in enumerate(node_configs):
                federation.register(f"client-{partition}")
                federation.start_supernode(partition, config=config)
            yield federation
    finally:
        end_all(folder)
