"""Seconds per round of a real federation: a client that does nothing, Flower's process per message, one that stays.

    python -m bench.deployment [--rounds N] [--repeats N] [--gigabytes N] [--set KEY=VALUE ...] [--output FILE]

A SuperLink and two SuperNodes on this machine's loopback, with TLS, for each of three ways, all up at once and asked in
turns:

    empty   an app of a few lines whose client returns what it was sent, with flower-supernode: what Flower itself costs
    cold    this app with flower-supernode, which starts a process per message
    warm    this app with `florg supernode`, whose clients stay

By default the app trains the embedded model for one step; --set names other settings, such as model.name, and
--gigabytes makes up a model of that size. The first round, which loads, stands apart; so does what clients say that
their training step took, which is no part of what a message costs. Ratios are to the empty client of the same repeat;
other programs on the machine slow all three down, and the processor time that cold clients need more than others.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.federation import BIN, federation
from bench.made_up_model import made_up_model

ROOT = Path(__file__).parents[1]
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


@dataclass(frozen=True)
class Seconds:
    """What the rounds of one run took, and what of it was the clients' training (0 for the empty one)."""

    rounds: tuple[float, ...]
    training: float

    @property
    def later(self) -> float:
        """The median of all rounds but the first."""
        return statistics.median(self.rounds[1:])


def seconds_of_run(way: Way, folder: Path, env: dict[str, str], rounds: int, settings: Sequence[str]) -> Seconds:
    """Run the way's app once. Raises SystemExit with its words where it fails."""
    out = Path(tempfile.mkdtemp(dir=folder))
    if way.empty:
        for name, text in EMPTY.items():
            (folder / "app" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "app" / name).write_text(text)
        config = f'rounds={rounds} out="{out / "rounds"}"'
        command = ["flwr", "run", str(folder / "app"), "bench", "--run-config", config, "--stream"]
    else:
        sets = [f"--set={one}" for one in ("min-clients=2", f"num-server-rounds={rounds}", *ONE_STEP, *settings)]
        command = ["florg", "run", "--app", str(ROOT), "--connection", "bench", "--output", str(out / "run"), *sets]
    done = subprocess.run([str(BIN / command[0]), *command[1:]], env=env, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{way.name}: {done.stdout}{done.stderr}")
    if way.empty:
        lines = (out / "rounds").read_text().splitlines()
        return Seconds(tuple(json.loads(line)["seconds"] for line in lines), 0.0)
    records = [json.loads(line) for line in (out / "run/history.jsonl").read_text().splitlines()][1:]
    training = statistics.median(record["train"]["seconds"] for record in records[1:])
    return Seconds(tuple(record["seconds"]["train"] for record in records), training)


def main() -> None:
    """Measure as asked and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--gigabytes", type=float, help="make up a model of this size in float32")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    taken: dict[str, list[Seconds]] = {way.name: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        settings = list(options.settings)
        if options.gigabytes:
            settings.append(f"model.name={made_up_model(folder / 'model', options.gigabytes)}")
        envs = {w.name: stack.enter_context(federation(folder / w.name, w.supernode)) for w in WAYS}
        for repeat in range(options.repeats):
            for way in WAYS:
                seconds = seconds_of_run(way, folder / way.name, envs[way.name], options.rounds, settings)
                taken[way.name].append(seconds)
                shown = [round(s, 2) for s in seconds.rounds]
                print(f"repeat {repeat + 1}/{options.repeats}, {way.name}: {shown}", flush=True)
    rows = {name: row_of(seconds, taken["empty"]) for name, seconds in taken.items()}
    Console(width=110).print(table_of(rows))
    if options.output:
        machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
        asked = {"rounds": options.rounds, "gigabytes": options.gigabytes, "settings": options.settings}
        options.output.write_text(json.dumps({"machine": machine, **asked, "ways": rows}, indent=1) + "\n")


def row_of(taken: Sequence[Seconds], empty: Sequence[Seconds]) -> dict:
    """Medians over the repeats, and the later rounds as ratios to the empty client's of the same repeat."""
    ratios = [own.later / other.later for own, other in zip(taken, empty, strict=True)]
    return {
        "first": statistics.median(one.rounds[0] for one in taken),
        "later": statistics.median(one.later for one in taken),
        "training": statistics.median(one.training for one in taken),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
    }


def table_of(rows: dict[str, dict]) -> Table:
    """One line for each way."""
    heads = (
        "client",
        "first round, s",
        "later rounds, s",
        "of it training, s",
        "of the empty client's",
        "least .. most",
    )
    table = Table(*heads)
    for name, row in rows.items():
        figures = [f"{row[key]:.2f}" for key in ("first", "later", "training", "ratio")]
        table.add_row(name, *figures, f"{min(row['ratios']):.2f} .. {max(row['ratios']):.2f}")
    return table


if __name__ == "__main__":
    main()
