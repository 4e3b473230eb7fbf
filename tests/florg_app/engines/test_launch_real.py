"""A real SuperLink and real Ray actors, with an app of a few lines: what the stand-ins of test_launch cannot show."""

import json
import os
import signal

import pytest

from florg_app.reports.history import read_history
from tests.support.processes import await_end, processes_of
from tests.support.stub_app import ENDLESS, StubApp

pytestmark = pytest.mark.slow


@pytest.fixture
def stub(tmp_path):
    return StubApp(tmp_path)


def test_a_simulation_completes_with_one_code_for_server_and_clients_and_leaves_nothing_behind(stub, tmp_path):
    process = stub.start()
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert output.count("same code: True") == 2
    assert "round 2/2  accuracy 0.500" in output
    assert output.endswith(f"completed: {stub.out}\n")
    assert {"flower.log", "history.jsonl", "summary.json", "curves.png"} <= set(os.listdir(stub.out))
    assert processes_of(tmp_path) == []
    assert not list(tmp_path.glob("florg-*"))


ORDERLY = [
    pytest.param(signal.SIGTERM, "command", id="TERM"),
    pytest.param(signal.SIGHUP, "group", id="HUP to the group", marks=pytest.mark.deployment),
    pytest.param(signal.SIGHUP, "command", id="HUP", marks=pytest.mark.deployment),
    pytest.param(signal.SIGINT, "command", id="INT", marks=pytest.mark.deployment),
    pytest.param(signal.SIGINT, "group", id="INT to the group", marks=pytest.mark.deployment),
    pytest.param(signal.SIGTERM, "group", id="TERM to the group", marks=pytest.mark.deployment),
]


@pytest.mark.parametrize(("number", "whom"), ORDERLY)
def test_a_simulation_told_to_end_stops_keeps_its_rounds_and_leaves_nothing_behind(number, whom, stub, tmp_path):
    process = stub.start(*ENDLESS)
    stub.await_rounds(process)
    (os.kill if whom == "command" else os.killpg)(process.pid, number)
    output, _ = process.communicate()
    assert process.returncode == 130, output
    assert json.loads((stub.out / "summary.json").read_text())["status"] == "stopped"
    assert processes_of(tmp_path) == []
    assert not list(tmp_path.glob("florg-*"))


@pytest.mark.parametrize("whom", ["command", pytest.param("group", marks=pytest.mark.deployment)])
def test_nothing_outlives_a_killed_simulation_and_what_it_wrote_is_whole(whom, stub, tmp_path):
    process = stub.start(*ENDLESS)
    stub.await_rounds(process)
    (os.kill if whom == "command" else os.killpg)(process.pid, signal.SIGKILL)
    process.communicate()
    await_end(tmp_path)
    records = read_history(stub.out)
    assert [record["round"] for record in records] == list(range(1, len(records) + 1))
    assert not list(tmp_path.glob("florg-*"))


@pytest.mark.deployment
def test_a_simulation_whose_shell_is_killed_ends_as_it_would_have_and_leaves_nothing_behind(stub, tmp_path):
    shell = stub.start("--set", "num-server-rounds=40", before=["bash", "-c", '"$@" & wait', "shell"])
    stub.await_rounds(shell)
    shell.kill()
    shell.communicate()
    await_end(tmp_path)
    summary = json.loads((stub.out / "summary.json").read_text())
    assert (summary["status"], len(read_history(stub.out))) == ("completed", 40)
    assert not list(tmp_path.glob("florg-*"))


@pytest.mark.deployment
def test_a_simulation_whose_supervisor_is_killed_says_so_and_leaves_nothing_behind(stub, tmp_path):
    process = stub.start(*ENDLESS)
    stub.await_rounds(process)
    (supervisor,) = [found for found in processes_of(tmp_path) if any("supervisor.py" in w for w in found.cmdline())]
    supervisor.kill()
    output, _ = process.communicate()
    assert process.returncode == 1, output
    assert "the run could not be started or followed: " in output
    assert processes_of(tmp_path) == []
