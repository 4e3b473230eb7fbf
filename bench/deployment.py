"""Seconds per round of a real federation: a client that does nothing, Flower's process per message, one that stays.

    python -m bench.deployment [--rounds N] [--repeats N] [--set KEY=VALUE ...] [--output FILE]

A SuperLink and two SuperNodes on this machine's loopback for each of three ways, all up at once and asked in turns:

    empty   an app of a few lines whose client returns what it was sent, with flower-supernode: what Flower itself costs
    cold    this app with flower-supernode, which starts a process per message
    warm    this app with `florg supernode`, whose clients stay

By default the app trains the embedded model for one step; --set names other settings, such as model.name. The first
round, which loads, stands apart. Ratios are to the empty client of the same repeat; other programs on the machine slow
all three down, and the processor time that cold clients need more than others.
"""

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
NUM_CLIENTS = 2
ONE_STEP = ("train.max-steps=1", "evaluate.every=0", "task.max-train-rows=64", "partition.name=iid")

EMPTY = {
    "pyproject.toml": """
[project]
name = "empty"
version = "0.1.0"
description = "a client that does nothing"
license = "Apache-2.0"

[tool.flwr.app]
publisher = "florg"
fab-include = ["empty/*.py"]

[tool.flwr.app.components]
serverapp = "empty.server:app"
clientapp = "empty.client:app"

[tool.flwr.app.config]
rounds = 3
out = ""
""",
    "empty/__init__.py": "",
    "empty/client.py": """
from flwr.app import Message
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message, context):
    return Message(message.content, reply_to=message)
""",
    "empty/server.py": """
import json
import time

import numpy as np
from flwr.app import Array, ArrayRecord, Message, RecordDict
from flwr.serverapp import ServerApp

app = ServerApp()


@app.main()
def main(grid, context):
    while len(nodes := list(grid.get_node_ids())) < 2:
        time.sleep(0.1)
    arrays = ArrayRecord({"a": Array(np.zeros(14000, np.float32))})
    with open(context.run_config["out"], "w") as file:
        for t in range(context.run_config["rounds"]):
            start = time.monotonic()
            messages = [Message(RecordDict({"arrays": arrays}), node, "train") for node in nodes]
            waiting = set(grid.push_messages(messages))
            while waiting:
                waiting -= {reply.metadata.reply_to_message_id for reply in grid.pull_messages(list(waiting))}
                time.sleep(0.05)
            print(json.dumps({"round": t + 1, "seconds": time.monotonic() - start}), file=file, flush=True)
""",
}


@dataclass(frozen=True)
class Way:
    """How clients are run, and the app that they run."""

    name: str
    supernode: tuple[str, ...]
    empty: bool = False


WAYS = (
    Way("empty", ("flower-supernode",), empty=True),
    Way("cold", ("flower-supernode",)),
    Way("warm", ("florg", "supernode", "--keep-seconds", "86400")),
)


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
    """A SuperLink and two SuperNodes; yields the environment whose Flower connection "bench" reaches them."""
    home, port = folder / "home", free_port()
    home.mkdir(parents=True)
    address = f"127.0.0.1:{port}"
    (home / "config.toml").write_text(f'[superlink.bench]\naddress = "{address}"\ninsecure = true\n')
    quiet = ("FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION", "FLWR_DISABLE_UPDATE_CHECK", "HF_HUB_OFFLINE")
    env = {**os.environ, **dict.fromkeys(quiet, "1"), "FLWR_TELEMETRY_ENABLED": "0", "TOKENIZERS_PARALLELISM": "false"}
    env |= {"FLWR_HOME": str(home), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    env["FLWR_SUPEREXEC_TASK_POLL_INTERVAL"] = "0.05"  # as `florg supernode` asks
    with ExitStack() as stack:
        link = ["flower-superlink", "--insecure", "--host", "127.0.0.1", "--port", str(port)]
        stack.enter_context(started(link, folder, env, "superlink"))
        await_health(port)
        for number in range(NUM_CLIENTS):
            config = f"partition-id={number} num-partitions={NUM_CLIENTS}"
            node = [*supernode, "--insecure", "--superlink", address, "--host", "127.0.0.1"]
            node += ["--port", str(free_port()), "--node-config", config]
            own = {**env, "FLWR_HOME": str(folder / f"node-{number}")}
            stack.enter_context(started(node, folder, own, f"supernode-{number}"))
        yield env


def await_health(port: int, seconds: float = 120.0) -> None:
    """Wait until the SuperLink serves. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
            return
        time.sleep(0.2)
    raise TimeoutError(f"the SuperLink on port {port} does not answer")


def seconds_of_rounds(way: Way, folder: Path, env: dict[str, str], rounds: int, settings: Sequence[str]) -> list[float]:
    """Run the way's app once; what each of its rounds took."""
    out = Path(tempfile.mkdtemp(dir=folder))
    if way.empty:
        for name, text in EMPTY.items():
            (folder / "app" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "app" / name).write_text(text)
        config = f'rounds={rounds} out="{out / "rounds"}"'
        command = ["flwr", "run", str(folder / "app"), "bench", "--run-config", config, "--stream"]
        subprocess.run([str(BIN / command[0]), *command[1:]], env=env, check=True, capture_output=True)
        return [json.loads(line)["seconds"] for line in (out / "rounds").read_text().splitlines()]
    sets = [f"--set={one}" for one in ("min-clients=2", f"num-server-rounds={rounds}", *ONE_STEP, *settings)]
    command = ["florg", "run", "--app", str(ROOT), "--connection", "bench", "--output", str(out / "run"), *sets]
    done = subprocess.run([str(BIN / command[0]), *command[1:]], env=env, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{way.name}: {done.stdout}{done.stderr}")
    records = [json.loads(line) for line in (out / "run/history.jsonl").read_text().splitlines()]
    return [record["seconds"]["train"] for record in records if record["round"] > 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    first: dict[str, list[float]] = {way.name: [] for way in WAYS}
    later: dict[str, list[float]] = {way.name: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        envs = {w.name: stack.enter_context(federation(Path(folder) / w.name, w.supernode)) for w in WAYS}
        for repeat in range(options.repeats):
            for way in WAYS:
                where = Path(folder) / way.name
                seconds = seconds_of_rounds(way, where, envs[way.name], options.rounds, options.settings)
                first[way.name].append(seconds[0])
                later[way.name].append(statistics.median(seconds[1:]))
                print(
                    f"repeat {repeat + 1}/{options.repeats}, {way.name}: {[round(s, 2) for s in seconds]}", flush=True
                )
    rows = {name: _row(first[name], later[name], later["empty"]) for name in first}
    made = Table("client", "first round, s", "later rounds, s", "of the empty client's", "least .. most")
    for name, row in rows.items():
        low, high = min(row["ratios"]), max(row["ratios"])
        made.add_row(
            name, f"{row['first']:.2f}", f"{row['later']:.2f}", f"{row['ratio']:.2f}", f"{low:.2f} .. {high:.2f}"
        )
    Console(width=100).print(made)
    if options.output:
        machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
        document = {"machine": machine, "rounds": options.rounds, "settings": options.settings, "ways": rows}
        options.output.write_text(json.dumps(document, indent=1) + "\n")


def _row(first: Sequence[float], later: Sequence[float], empty: Sequence[float]) -> dict:
    ratios = [own / other for own, other in zip(later, empty, strict=True)]
    medians = {"first": statistics.median(first), "later": statistics.median(later)}
    return {**medians, "ratio": statistics.median(ratios), "ratios": ratios}


if __name__ == "__main__":
    main()
