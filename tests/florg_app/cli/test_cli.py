"""The command `florg` settles the settings before anything starts, and its exit status is that of the run."""

import dataclasses
import json
import logging
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
from typer.testing import CliRunner

from florg_app import engines
from florg_app.cli.main import app
from florg_app.engines import foresight, launch
from florg_app.reports.report import Report

PYPROJECT = """
[tool.flwr.app]
publisher = "florg"

[tool.flwr.app.config]
num-server-rounds = 10
seed = 1
output-dir = ""
strategy.name = "fedit"
model.name = "tiny"
task = { name = "tiny", path = "" }
train = { learning-rate = 0.002 }
client = { threads = 0 }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An app, in which the command is called."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def inline(monkeypatch):
    """Replaces the in-process engine; `.calls` holds the run-configs and sizes with which it was started."""
    engine = types.ModuleType("florg_app.engines.inline")
    calls = []

    def run(run_config, num_clients, state_dir):
        calls.append((run_config, num_clients))
        report = Report(Path(run_config["output-dir"]), run_config)
        report.round({"round": 0, "evaluation": {"accuracy": 0.5}})
        logging.getLogger("flwr").info("for the log")
        if run_config["seed"] == 13:
            raise RuntimeError("no luck")
        report.finish("completed")

    engine.__dict__.update(run_in_process=run, calls=calls)
    monkeypatch.setitem(sys.modules, "florg_app.engines.inline", engine)
    monkeypatch.setattr(engines, "inline", engine, raising=False)
    return engine


@pytest.fixture
def simulated(monkeypatch):
    """Replaces the simulation; returns the list of its arguments, filled by each call."""
    calls = []

    def simulate(app, config, simulation, folder, env, say):
        calls.append({"app": app, "config": config, "simulation": simulation, "folder": folder, "env": env})
        return launch.Outcome("42", simulate.status, "")

    simulate.status = "completed"
    monkeypatch.setattr(launch, "simulate", simulate)
    monkeypatch.setattr(foresight, "foresee", lambda *_: None)  # these have GPUs and the hub
    calls.append(simulate)
    return calls


def florg(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_help_is_quick_because_it_imports_no_torch():
    code = "import sys, florg_app.cli.main; print(sorted({'torch', 'flwr', 'rich.table', 'psutil'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_set_wins_over_files_and_later_files_over_earlier_ones(folder, inline):
    (folder / "one.toml").write_text("seed = 2\n[train]\nlearning-rate = 0.1\n")
    (folder / "two.toml").write_text("train.learning-rate = 0.2\nnum-server-rounds = 3\n")
    result = florg("run", "--inline", "--config", "one.toml", "--config", "two.toml", "--set", "num-server-rounds=4")
    assert result.exit_code == 0, result.output
    ((config, clients),) = inline.calls
    assert (config["seed"], config["train.learning-rate"], config["num-server-rounds"]) == (2, 0.2, 4)
    assert config["strategy.name"] == "fedit"
    assert clients == 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--inline", "--set", "train.lerning-rate=1"], "train.learning-rate"),
        (["--inline", "--set", "seed=x"], 'seed = "x"'),
        (["--inline", "--set", "seed"], "expected key=value"),
        (["--inline", "--config", "nowhere.toml"], "nowhere.toml: No such file"),
        (["--inline", "--config", "broken.toml"], "broken.toml is no TOML"),
        (["--connection", "x", "--clients", "3"], "--clients"),
        (["--connection", "x", "--inline"], "are for simulations"),
        (["--inline", "--output", "pyproject.toml"], "pyproject.toml cannot be made"),
    ],
)
def test_unusable_settings_end_with_2_before_anything_is_written(folder, inline, arguments, words):
    (folder / "broken.toml").write_text("seed = ")
    result = florg("run", *arguments)
    assert result.exit_code == 2, result.output
    assert words in result.output
    assert inline.calls == []
    assert not (folder / "runs").exists()


def test_the_results_go_to_a_new_folder_named_after_time_and_method(folder, inline):
    assert florg("run", "--inline").exit_code == 0
    assert florg("run", "--inline").exit_code == 0
    found = [Path(config["output-dir"]) for config, _ in inline.calls]
    assert len(set(found)) == 2
    assert all(path.is_absolute() and path.parent == folder / "runs" and "-fedit-" in path.name for path in found)


def test_a_folder_that_holds_a_run_is_refused(folder, inline):
    assert florg("run", "--inline", "--output", "out").exit_code == 0
    again = florg("run", "--inline", "--output", "out")
    assert (again.exit_code, len(inline.calls)) == (2, 1)
    assert "already holds a run" in again.output


def test_an_inline_run_says_our_lines_and_keeps_the_whole_log(folder, inline):
    result = florg("run", "--inline", "--output", "out", "--clients", "3")
    assert "round  0/10  accuracy 0.500\n" in result.output
    assert "for the log" not in result.output
    assert "for the log" in (folder / "out/flower.log").read_text()
    assert result.output.endswith(f"completed: {folder / 'out'}\n")
    assert inline.calls[0][1] == 3


def test_quiet_says_only_where_the_results_are(folder, inline):
    assert florg("run", "--inline", "--quiet", "--output", "out").output == f"completed: {folder / 'out'}\n"


def test_a_failed_inline_run_ends_with_1_its_traceback_and_a_summary_of_what_there_is(folder, inline):
    result = florg("run", "--inline", "--output", "out", "--set", "seed=13")
    assert result.exit_code == 1
    assert "RuntimeError: no luck" in result.output
    assert json.loads((folder / "out/summary.json").read_text())["status"] == "failed"


@pytest.mark.parametrize(("status", "code"), [("completed", 0), ("failed", 1), ("stopped", 130)])
def test_the_exit_status_of_a_simulation_is_that_of_its_run(folder, simulated, status, code):
    simulated[0].status = status
    assert florg("run").exit_code == code


def test_a_run_that_cannot_be_started_ends_with_1(folder, monkeypatch):
    def simulate(*_):
        raise launch.LaunchError("no port is free")

    monkeypatch.setattr(launch, "simulate", simulate)
    result = florg("run")
    assert result.exit_code == 1
    assert "no port is free" in result.output


def test_a_simulation_gets_its_size_and_only_what_differs_from_pyproject(folder, simulated):
    data = folder / "data"
    data.mkdir()
    options = ["--clients", 5, "--threads-per-client", 2, "--gpus-per-client", 0.25, "--output", "out"]
    assert florg("run", *options, "--set", "task.path=./data", "--set", "seed=2").exit_code == 0
    call = simulated[1]
    assert call["app"] == folder
    assert call["simulation"] == launch.Simulation(5, 2, 0.25)
    assert call["config"] == {
        "task.path": str(data),
        "seed": 2,
        "output-dir": str(folder / "out"),
        "client.threads": 2,
    }
    assert call["env"]["HF_HUB_OFFLINE"] == "1"


def test_threads_that_were_set_are_kept_and_the_hub_is_open_to_its_models(folder, simulated, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert florg("run", "--set", "client.threads=3", "--set", "model.name=roberta-base").exit_code == 0
    assert simulated[1]["config"]["client.threads"] == 3
    assert "HF_HUB_OFFLINE" not in simulated[1]["env"]


def test_a_run_on_a_connection_keeps_the_paths_of_the_other_machines(folder, monkeypatch):
    calls = []

    def submit(app, config, connection, folder, env, say):
        calls.append((config, connection, folder))
        return launch.Outcome("42", "completed", "")

    monkeypatch.setattr(launch, "submit", submit)
    (folder / "data").mkdir()
    assert florg("run", "--connection", "hospitals", "--set", "task.path=./data").exit_code == 0
    ((config, connection, logs),) = calls
    assert (config, connection, logs.parent) == ({"task.path": "./data"}, "hospitals", folder / "runs")
    assert florg("run", "--connection", "hospitals", "--output", "out").exit_code == 0
    assert calls[1] == ({"output-dir": str(folder / "out")}, "hospitals", folder / "out")


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("options", [[], ["--options"]], ids=["all", "options"])
def test_every_method_and_every_setting_is_listed_whole_at_any_width(options, width, monkeypatch):
    from strategies import METHODS

    monkeypatch.setenv("COLUMNS", str(width))
    output = florg("methods", *options).output
    words = set(re.findall(r"[\w.-]+", output))
    own = {field.name.replace("_", "-") for cls in METHODS.values() for field in dataclasses.fields(cls)}
    assert set(METHODS) | (set() if options else own) <= words
    assert not options or "robust.combine" in words
    assert "…" not in output


def test_the_version_is_said_with_those_of_what_it_stands_on():
    result = florg("--version")
    assert result.exit_code == 0
    first, second = result.output.splitlines()
    assert re.fullmatch(r"florg \d+\.\d+\.\d+ \(source [0-9a-f]{16}\)", first)
    assert all(re.search(rf"\b{package} \d", second) for package in ("python", "flwr", "torch", "transformers"))


def test_a_run_is_shown_again(folder, inline):
    florg("run", "--inline", "--output", "out")
    result = florg("show", "out")
    assert "fedit on tiny: completed" in result.output
    assert str(folder / "out/curves.png") in result.output
    assert florg("show", "nowhere").exit_code == 2
