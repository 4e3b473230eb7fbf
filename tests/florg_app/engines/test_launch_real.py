"""A real SuperLink and real Ray actors, with an app of a few lines: what the stand-ins of test_launch cannot show."""

import os
import subprocess
import sys
import time

import pytest

from tests.support.processes import processes_of
from tests.support.repository import REPOSITORY

pytestmark = pytest.mark.slow


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

from florg_app.reports.report import Report, note

app = ServerApp()


@app.main()
def main(grid, context):
    settings = context.run_config
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


@pytest.fixture
def start(tmp_path):
    """Starts `florg run` on the stub app, which lies in a folder of its own; output goes to tmp_path/out."""
    package = tmp_path / "app" / "stub"
    package.mkdir(parents=True)
    for name, text in {"__init__.py": "", "server.py": SERVER, "client.py": CLIENT}.items():
        (package / name).write_text(text)
    (tmp_path / "app/pyproject.toml").write_text(PYPROJECT)
    command = [sys.executable, "-c", "from florg_app.cli.main import app; app()", "run", "--clients", "3"]
    command += ["--output", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path)}

    def start(*options):
        return subprocess.Popen(
            [*command, *options], cwd=tmp_path / "app", env=environment, text=True, stdout=subprocess.PIPE, stderr=-2
        )

    return start


def test_a_simulation_completes_with_one_code_for_server_and_clients_and_leaves_nothing_behind(start, tmp_path):
    process = start()
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert output.count("same code: True") == 2
    assert "round 2/2  accuracy 0.500" in output
    assert output.endswith(f"completed: {tmp_path / 'out'}\n")
    assert {"flower.log", "history.jsonl", "summary.json", "curves.png"} <= set(os.listdir(tmp_path / "out"))
    assert processes_of(tmp_path) == []
    assert not list(tmp_path.glob("florg-*"))


def test_a_terminated_run_stops_keeps_its_rounds_and_leaves_nothing_behind(start, tmp_path):
    process = start("--set", "num-server-rounds=100000")
    history = tmp_path / "out/history.jsonl"
    deadline = time.monotonic() + 200
    while not (history.exists() and history.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.terminate()
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 130, output
    assert '"status": "stopped"' in (tmp_path / "out/summary.json").read_text()
    assert processes_of(tmp_path) == []
