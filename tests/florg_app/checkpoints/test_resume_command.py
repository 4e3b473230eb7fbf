"""`florg run` goes on with a run: its settings, its folder, its clients' own tensors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from florg_app.checkpoints.checkpoint_file import CHECKPOINT_FILE
from florg_app.cli.main import app
from tests.florg_app.test_app import history, same_bits
from tests.support import patience
from tests.support.interrupted import FAST
from tests.support.processes import kill
from tests.support.repository import REPOSITORY

OPTIONS = ["--app", str(REPOSITORY), "--quiet"]
NEW = ["--clients", "3"]
LOCAL = {**FAST, "strategy.name": "fedsa-lora", "evaluate.every": 0, "train.max-steps": 1}


def assignments(settings: dict) -> list[str]:
    return [word for key, value in settings.items() for word in ("--set", f"{key}={json.dumps(value)}")]


def florg(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def inline(*arguments):
    result = florg("run", "--inline", *OPTIONS, *arguments)
    assert result.exit_code == 0, result.output
    return result


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    """The command as a process of its own, in `folder`."""
    command = [sys.executable, "-c", "from florg_app.cli.main import app; app()", "run", *OPTIONS, *arguments]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(folder)}
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_run_goes_on_with_the_settings_and_the_local_tensors_that_it_had(tmp_path):
    """Only more rounds are named; the method and all else come from the run itself."""
    inline(*NEW, "--output", "whole", *assignments(LOCAL))
    inline(*NEW, "--output", "run", *assignments({**LOCAL, "num-server-rounds": 2}))
    result = inline("--set", "resume-from=run", "--set", "num-server-rounds=4")
    assert result.output == f"completed: {tmp_path / 'run'}\n"
    assert same_bits(tmp_path / "whole", tmp_path / "run")
    shown = florg("show", "run").output
    assert f"resumed after round 2 from {tmp_path / 'run' / CHECKPOINT_FILE}" in shown
    assert "4 of 4 rounds" in shown
    assert not (tmp_path / "runs").exists()


def test_a_run_goes_on_in_another_folder_with_its_local_tensors(tmp_path):
    inline(*NEW, "--output", "whole", *assignments(LOCAL))
    inline(*NEW, "--output", "run", *assignments({**LOCAL, "num-server-rounds": 2}))
    inline("--output", "new", "--set", "resume-from=run", "--set", "num-server-rounds=4")
    assert same_bits(tmp_path / "whole", tmp_path / "new")


def test_the_latest_run_of_the_same_settings_goes_on(tmp_path):
    settings = {**FAST, "evaluate.every": 0, "train.max-steps": 1}
    inline(*NEW, *assignments({**settings, "num-server-rounds": 1}))
    (run,) = (tmp_path / "runs").iterdir()
    inline("--set", "resume-from=latest", *assignments({**settings, "num-server-rounds": 2}))
    assert [record["round"] for record in history(run)] == [0, 1, 2]
    evaluated = florg("evaluate", run, "--device", "cpu")
    assert "round: 2" in evaluated.output
    exported = florg("export", run)
    assert "after round 2" in exported.output


def test_what_cannot_be_gone_on_with_ends_with_2_and_a_folder_that_holds_a_run_says_how(tmp_path):
    settings = {**FAST, "evaluate.every": 0, "train.max-steps": 1, "num-server-rounds": 1}
    inline(*NEW, "--output", "run", *assignments(settings))
    for words, arguments in {
        "the run is complete; raise num-server-rounds": ["--set", "resume-from=run"],
        "seed was 1 and is 5": ["--set", "resume-from=run", "--set", "seed=5", "--set", "num-server-rounds=2"],
        "--clients 5: the run had 3 clients": [
            *("--clients", "5", "--set", "resume-from=run", "--set", "num-server-rounds=2")
        ],
        "does not exist": ["--set", "resume-from=nowhere"],
        "go on with it by resume-from": ["--output", "run"],
    }.items():
        result = florg("run", "--inline", *OPTIONS, *arguments)
        assert result.exit_code == 2, result.output
        assert words in result.output


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine",
    [pytest.param(["--inline"], id="inline"), pytest.param([], id="simulated", marks=pytest.mark.deployment)],
)
def test_a_killed_command_goes_on_to_the_same_bits(engine, tmp_path):
    """kill -9 while it trains, in whatever round that is; private tensors are on the clients' disks."""
    process = start(tmp_path, *engine, *NEW, "--output", "run", *assignments({**LOCAL, "num-server-rounds": 100_000}))
    file = tmp_path / "run" / "history.jsonl"
    patience.until("three rounds are over", lambda: file.exists() and file.read_text().count("\n") > 3, process)
    kill(process)
    rounds = file.read_text().count("\n") + 2
    again = start(tmp_path, *engine, "--set", "resume-from=run", "--set", f"num-server-rounds={rounds}")
    output, _ = again.communicate()
    assert again.returncode == 0, output
    inline(*NEW, "--output", "whole", *assignments({**LOCAL, "num-server-rounds": rounds}))
    assert same_bits(tmp_path / "whole", tmp_path / "run")
    assert [record["round"] for record in history(tmp_path / "run")] == list(range(rounds + 1))
