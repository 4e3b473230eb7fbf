"""What ends while clients stay in memory: a stopped run, a killed client, a killed command, two runs, a second app."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.support import patience
from tests.support.processes import BIN, await_end, federation, processes_of

pytestmark = [pytest.mark.slow, pytest.mark.deployment]

PYPROJECT = """
[project]
name = "{name}"
version = "0.1.0"
description = "clients that say who they are"
license = "Apache-2.0"

[tool.flwr.app]
publisher = "florg"
fab-include = ["counting/*.py"]

[tool.flwr.app.components]
serverapp = "counting.server:app"
clientapp = "counting.client:app"

[tool.flwr.app.config]
rounds = 3
out = ""
"""

SERVER = """
import json
import time

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import ServerApp

app = ServerApp()


@app.main()
def main(grid, context):
    while not list(grid.get_node_ids()):
        time.sleep(0.1)
    for t in range(context.run_config["rounds"]):
        content = RecordDict({"config": ConfigRecord({"t": t})})
        replies = grid.send_and_receive([Message(content, node, "train") for node in grid.get_node_ids()])
        with open(context.run_config["out"], "a") as file:
            for reply in replies:
                said = {"error": reply.error.reason} if reply.has_error() else dict(reply.content["config"])
                print(json.dumps(said), file=file, flush=True)
"""

CLIENT = """
import os

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()
calls = []


@app.train()
def train(message, context):
    calls.append(1)
    if message.content["config"]["t"] == int(os.environ.get("FAILS_IN", "-1")):
        raise OSError("disk on fire")
    said = {"pid": os.getpid(), "calls": len(calls), "app": APP, "torch": "torch" in __import__("sys").modules}
    return Message(RecordDict({"config": ConfigRecord(said)}), reply_to=message)
"""


class Federation:
    """A SuperLink, and a warm SuperNode that is to be told apart from others by its folder."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder, self.env = folder, env

    def app(self, name: str) -> Path:
        package = self.folder / name / "counting"
        package.mkdir(parents=True)
        texts = {"__init__.py": "", "server.py": SERVER, "client.py": f'APP = "{name}"\n{CLIENT}'}
        for file, text in texts.items():
            (package / file).write_text(text)
        (package.parent / "pyproject.toml").write_text(PYPROJECT.format(name=name))
        return package.parent

    def flwr(self, *arguments: str) -> dict:
        done = subprocess.run(
            [BIN / "flwr", *arguments, "--format", "json"], env=self.env, capture_output=True, text=True, check=True
        )
        answer = json.loads(done.stdout[done.stdout.index("{") :])
        assert answer["success"], answer
        return answer

    def begin(self, app: Path, rounds: int, out: str) -> str:
        """Begin a run; its id."""
        config = f'rounds={rounds} out="{self.folder / out}"'
        return str(self.flwr("run", str(app), "test", "--run-config", config)["run-id"])

    def said(self, out: str) -> list[dict]:
        file = self.folder / out
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def await_said(self, out: str, number: int) -> list[dict]:
        patience.until(f"{number} answers", lambda: len(self.said(out)) >= number)
        return self.said(out)

    def log(self) -> str:
        return (self.folder / "supernode-0.log").read_text()

    def command(self) -> psutil.Process:
        """The process of `florg supernode`."""
        with_name = [p for p in processes_of(self.folder / "node-0") if "supernode" in p.cmdline()[1:3]]
        return min(with_name, key=lambda process: process.create_time())


@pytest.fixture
def options() -> tuple[str, ...]:
    return ()


@pytest.fixture
def warm(tmp_path, options) -> Iterator[Federation]:
    with federation(tmp_path, 1, "florg", "supernode", *options) as env:
        yield Federation(tmp_path, env)
    await_end(tmp_path)


def test_messages_of_a_run_meet_the_process_of_the_first(warm):
    warm.begin(warm.app("one"), 3, "a")
    said = warm.await_said("a", 3)
    assert len({one["pid"] for one in said}) == 1
    assert [one["calls"] for one in said] == [1, 2, 3]


def test_a_stopped_run_ends_its_process_and_the_next_run_has_another(warm):
    app = warm.app("one")
    first = warm.begin(app, 10**6, "a")
    pid = warm.await_said("a", 1)[0]["pid"]
    warm.flwr("stop", first, "test")
    warm.begin(app, 1, "b")
    assert warm.await_said("b", 1)[0]["pid"] != pid
    patience.until("the first process is gone", lambda: not psutil.pid_exists(pid))


def test_a_killed_client_is_replaced(warm):
    warm.begin(warm.app("one"), 10**6, "a")
    pid = warm.await_said("a", 1)[0]["pid"]
    os.kill(pid, signal.SIGKILL)
    patience.until("another answers", lambda: any(one.get("pid", pid) != pid for one in warm.said("a")))
    assert f"process {pid} has ended (status -9)" in warm.log()


def test_two_apps_do_not_meet(warm):
    """Each run has the code that it brought along, also where the module's name is that of another's."""
    warm.begin(warm.app("one"), 2, "a")
    warm.await_said("a", 2)
    warm.begin(warm.app("two"), 2, "b")
    assert [one["app"] for one in warm.await_said("b", 2)] == ["two", "two"]


@pytest.mark.parametrize("options", [("--keep", "2")])
def test_two_runs_at_once_keep_a_process_each(warm):
    app = warm.app("one")
    for out in ("a", "b"):
        warm.begin(app, 3, out)
    first, second = warm.await_said("a", 3), warm.await_said("b", 3)
    assert [len({one["pid"] for one in said}) for said in (first, second)] == [1, 1]
    assert first[0]["pid"] != second[0]["pid"]


def test_two_runs_at_once_both_end_where_one_process_is_allowed(warm):
    app = warm.app("one")
    for out in ("a", "b"):
        warm.begin(app, 3, out)
    assert [[one["app"] for one in warm.await_said(out, 3)] for out in ("a", "b")] == [["one"] * 3] * 2


@pytest.mark.parametrize("options", [("--keep-seconds", "0.5")])
def test_an_idle_client_gives_its_memory_back(warm):
    warm.begin(warm.app("one"), 1, "a")
    pid = warm.await_said("a", 1)[0]["pid"]
    patience.until("it is gone", lambda: not psutil.pid_exists(pid))
    assert f"process {pid} had nothing to do for" in warm.log()


def test_an_error_ends_the_process_and_reaches_the_server(tmp_path, monkeypatch):
    monkeypatch.setenv("FAILS_IN", "1")
    with federation(tmp_path, 1, "florg", "supernode") as env:
        failing = Federation(tmp_path, env)
        failing.begin(failing.app("one"), 3, "a")
        before, error, after = failing.await_said("a", 3)
    assert "disk on fire" in error["error"]
    assert before["pid"] != after["pid"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL], ids=lambda s: s.name)
def test_nothing_is_left_where_the_command_ends(how, warm):
    warm.begin(warm.app("one"), 10**6, "a")
    warm.await_said("a", 1)
    command = warm.command()
    command.send_signal(how)
    node = warm.folder / "node-0"
    patience.until("nothing of it is left", lambda: not [p for p in processes_of(node) if p.pid != command.pid])
    with suppress(psutil.NoSuchProcess):
        command.wait(patience.left())


@pytest.mark.parametrize(
    "arguments", [["--isolation", "subprocess"], ["--host", "0.0.0.0"], ["--keep", "0"], ["--ssl-certfile=x"]]
)
def test_what_would_open_or_change_the_tasks_door_is_refused(arguments):
    done = subprocess.run([BIN / "florg", "supernode", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.search(r"--(isolation|host|keep|ssl-certfile)", done.stderr)
    assert "Traceback" not in done.stderr
