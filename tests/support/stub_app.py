"""A Flower app of a few lines, for `florg run` on a real SuperLink with real Ray actors: clients that only answer."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support import patience
from tests.support.repository import REPOSITORY

PYPROJECT = """
[project]
name = "stub"
version = "0.1.0"
description = "three clients that answer"
license = "Apache-2.0"

[tool.flwr.app]
publisher = "florg"
fab-include = ["stub/*.py"]

[tool.flwr.app.components]
serverapp = "stub.server:app"
clientapp = "stub.client:app"

[tool.flwr.app.config]
num-server-rounds = 2
seed = 1
output-dir = ""
model.name = "tiny"
task.name = "tiny"
client.threads = 0
"""

SERVER = """
import os
import time
from pathlib import Path

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import ServerApp

from florg_app.folder_lock import RUN_LOCK, folder_lock
from florg_app.reports.report import Report, note

app = ServerApp()


@app.main()
def main(grid, context):
    settings = context.run_config
    with folder_lock(Path(settings["output-dir"]) / RUN_LOCK, "another run"):
        run(grid, settings)


def run(grid, settings):
    report = Report(Path(settings["output-dir"]), settings)
    while len(list(grid.get_node_ids())) < 3:
        time.sleep(0.1)
    for t in range(1, settings["num-server-rounds"] + 1):
        content = RecordDict({"config": ConfigRecord({"t": t})})
        replies = list(grid.send_and_receive([Message(content, node, "train") for node in grid.get_node_ids()]))
        for code in {reply.content["config"]["code"] for reply in replies}:
            note(f"same code: {Path(code).parent == Path(__file__).parent}")
        report.round({"round": t, "seconds": {"train": 1.0}, "evaluation": {"accuracy": 0.5}})
    report.finish("completed")
"""

CLIENT = """
import os

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message, context):
    return Message(RecordDict({"config": ConfigRecord({"code": os.path.abspath(__file__)})}), reply_to=message)
"""

ENDLESS = ("--set", "num-server-rounds=1000000")

FLORG = [sys.executable, "-c", "from florg_app.cli.main import app; app()"]


class StubApp:
    """The app in `folder`/app; its runs write to `folder`/out, and their processes name the folder as their mark."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        package = folder / "app" / "stub"
        package.mkdir(parents=True)
        for name, text in {"__init__.py": "", "server.py": SERVER, "client.py": CLIENT}.items():
            (package / name).write_text(text)
        (folder / "app/pyproject.toml").write_text(PYPROJECT)

    def start(
        self,
        *options: str,
        before: Sequence[str] = (),
        output: Path | None = None,
        more: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """`florg run` in a session of its own, with no signal ignored; `before` runs it, with `more` environment."""
        command = [*before, *FLORG, "run", "--clients", "3", "--output", str(output or self.out), *options]
        return subprocess.Popen(
            command,
            cwd=self.folder / "app",
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(self.folder), **(more or {})},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=heard,
        )

    def await_rounds(self, process: subprocess.Popen[str], folder: Path | None = None) -> None:
        """Wait until a run has recorded rounds. Raises AssertionError with its output where it ends before."""
        history = (folder or self.out) / "history.jsonl"
        try:
            patience.until("it recorded a round", lambda: history.exists() and history.stat().st_size > 0, process)
        except (RuntimeError, TimeoutError) as error:
            process.kill()
            raise AssertionError(f"{error}: {process.communicate()[0]}") from error


def heard() -> None:
    """In a child: no signal is ignored, as a shell does for what it runs in the background."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
