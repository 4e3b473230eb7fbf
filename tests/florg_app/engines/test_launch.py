"""`florg run` starts Flower as asked, tells the truth about the end of the run and leaves no process behind."""

import os
import shlex
import tomllib
from pathlib import Path

import psutil
import pytest

from florg_app.engines import launch, process_family, superlink
from florg_app.engines.superlink import LaunchError
from tests.support.fake_flower import FakeFlower

LOG = """\x1b[92mINFO \x1b[0m:      Starting Flower Simulation
\x1b[92mINFO \x1b[0m:      florg | round 1/2  loss 0.5→0.4
\x1b[36m(ClientAppActor pid=7)\x1b[0m INFO :      florg | not for people
\x1b[93mWARNING \x1b[0m:   florg | partition 3 rejected: [NaN]
"""


@pytest.fixture
def flower(tmp_path, monkeypatch):
    """Makes a FakeFlower whose commands are found first."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(superlink, "BIN", tmp_path / "bin")
    monkeypatch.setattr(process_family, "END_SECONDS", 0.3)
    monkeypatch.setattr(launch, "POLL_SECONDS", 0.01)
    return lambda **behaviour: FakeFlower(tmp_path / "bin", **behaviour)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def simulate(folder, say=lambda line: None, config=None):
    size = launch.Simulation(num_clients=5, cpus_per_client=2, gpus_per_client=0.25)
    return launch.simulate(Path("/the/app"), config or {}, size, folder, dict(os.environ), say)


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_simulation_is_submitted_with_its_size_its_settings_and_nothing_of_earlier_runs(flower, folder):
    fake = flower()
    simulate(folder, config={"seed": 3, "task.path": 'a "b" \\ ü𝄞', "evaluate.on-clients": True, "adapter.alpha": 2.0})
    (call,) = fake.calls("run")
    assert call["arguments"][:3] == ["run", "/the/app", superlink.CONNECTION]
    options = dict(zip(call["arguments"][3::2], call["arguments"][4::2], strict=True))
    assert shlex.split(options["--federation-config"]) == [
        "num-supernodes=5",
        "client-resources-num-cpus=2",
        "client-resources-num-gpus=0.25",
    ]
    assert tomllib.loads(Path(options["--run-config"]).read_text()) == {
        "seed": 3,
        "task": {"path": 'a "b" \\ ü𝄞'},
        "evaluate": {"on-clients": True},
        "adapter": {"alpha": 2.0},
    }
    (daemon,) = fake.calls()
    for environment in (call["environment"], daemon["environment"]):
        assert environment["FLWR_HOME"] != os.environ.get("FLWR_HOME")
        assert environment["FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION"] == "1"
        assert environment["FLWR_TELEMETRY_ENABLED"] == "0"
        assert "127.0.0.1" in environment["NO_PROXY"]
        assert environment["PATH"].startswith(str(folder.parent / "bin"))
    assert daemon["cwd"] == daemon["environment"]["FLWR_HOME"]  # a folder without modules
    assert not Path(daemon["cwd"]).exists()


def test_our_lines_are_said_and_the_whole_log_is_kept_without_colours(flower, folder):
    flower(log=LOG)
    said = []
    simulate(folder, said.append)
    assert said == ["round 1/2  loss 0.5→0.4", "partition 3 rejected: [NaN]"]
    kept = (folder / "flower.log").read_text()
    assert "INFO :      Starting Flower Simulation\n" in kept
    assert "\x1b" not in kept


@pytest.mark.parametrize("status", ["completed", "failed", "stopped"])
def test_the_status_is_the_superlinks_and_not_the_commands_exit_status(flower, folder, status):
    fake = flower(states=["pending", "running", f"finished:{status}"], details="why")
    assert simulate(folder) == launch.Outcome("42", status, "why")
    assert len(fake.calls("ls")) == 3


def test_some_unanswered_polls_do_not_end_the_run(flower, folder):
    flower(states=["unreachable"] * 3 + ["running", "finished:completed"])
    assert simulate(folder).status == "completed"


def test_a_superlink_that_answers_no_more_ends_the_wait(flower, folder, monkeypatch):
    monkeypatch.setattr(launch, "FAILED_POLLS", 2)
    flower(states=["unreachable"])
    with pytest.raises(LaunchError, match="connection refused"):
        simulate(folder)


def test_the_superlink_and_its_detached_children_end_with_the_run(flower, folder):
    fake = flower()
    simulate(folder)
    (daemon,) = fake.calls()
    assert gone(daemon["pid"])
    assert gone(daemon["child"])


def test_ctrl_c_stops_the_run_and_ends_the_superlink(flower, folder):
    fake = flower(log=LOG, states=["finished:stopped"])
    said = []

    def interrupted(line):
        said.append(line)
        if len(said) == 1:
            raise KeyboardInterrupt

    assert simulate(folder, interrupted).status == "stopped"
    assert fake.calls("stop")[0]["arguments"][:2] == ["stop", "42"]
    assert gone(fake.calls()[0]["child"])


def test_a_refused_run_says_why_and_ends_the_superlink(flower, folder):
    fake = flower(run="FAB size exceeds maximum")
    with pytest.raises(LaunchError, match="flwr run: FAB size exceeds maximum"):
        simulate(folder)
    assert gone(fake.calls()[0]["child"])


def test_a_superlink_that_does_not_start_is_reported_with_its_last_words(flower, folder):
    flower(superlink="broken")
    with pytest.raises(LaunchError, match=r"ended with status 1 while starting\naddress already in use"):
        simulate(folder)


def test_a_run_on_a_connection_uses_the_users_flower_configuration(flower, folder, tmp_path):
    fake = flower(log=LOG)
    said = []
    env = {**os.environ, "FLWR_HOME": str(tmp_path / "mine")}
    outcome = launch.submit(Path("/the/app"), {}, "hospitals", folder, env, said.append)
    assert outcome.status == "completed"
    (call,) = fake.calls("run")
    assert call["arguments"] == ["run", "/the/app", "hospitals", "--format", "json"]
    assert call["environment"]["FLWR_HOME"] == str(tmp_path / "mine")
    assert fake.calls() == []
    assert said[0] == "run 42 submitted to hospitals"


def test_ctrl_c_leaves_a_run_on_a_connection_alone(flower, folder):
    fake = flower(log=LOG)
    said = []

    def interrupted(line):
        said.append(line)
        if len(said) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch.submit(Path("/the/app"), {}, "hospitals", folder, dict(os.environ), interrupted)
    assert said[-1] == "run 42 goes on; stop it with: flwr stop 42 hospitals"
    assert fake.calls("stop") == []


def test_the_end_of_a_log_begins_with_the_cause_of_its_last_traceback(tmp_path):
    log, head = tmp_path / "flower.log", "Traceback (most recent call last):\n"
    chain = f"{head}  deep\nOSError: path\n\nThe above exception was the direct cause of the following exception:\n\n"
    log.write_text(f"one\n{head}  old\nKeyError\nINFO\n{chain}{head}  new\nRuntimeError: crashed\n")
    assert launch.last_lines(log) == f"{chain}{head}  new\nRuntimeError: crashed"
    log.write_text("".join(f"{i}\n" for i in range(100)))
    assert launch.last_lines(log) == "\n".join(map(str, range(80, 100)))
    assert launch.last_lines(tmp_path / "nowhere") == ""


def test_ray_gets_a_short_temporary_folder_where_the_users_is_too_deep_for_its_sockets():
    assert superlink.environment({"TMPDIR": "/scratch/" + 50 * "x"})["RAY_TMPDIR"] == "/tmp"
    assert "RAY_TMPDIR" not in superlink.environment({"TMPDIR": "/scratch"})
    assert superlink.environment({"TMPDIR": 60 * "x", "RAY_TMPDIR": "/r"})["RAY_TMPDIR"] == "/r"
