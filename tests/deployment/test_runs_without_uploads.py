"""A run in which no upload was ever accepted has failed, whatever its number of rounds: status 1, and the reason."""

import json
import os
import re

import pytest
from typer.testing import CliRunner

from florg_app.checkpoints.checkpoint_file import CHECKPOINT_FILE
from florg_app.cli.main import app
from tests.florg_app.test_app import SMALL, run
from tests.florg_app.test_worlds import florg_run
from tests.support.processes import ENVIRONMENT
from tests.support.secure_federation import CONNECTION, federation_of

DIVERGING = {**SMALL, "num-server-rounds": 1, "train.learning-rate": 1e30, "train.head-learning-rate": 1e30}
"""After one step the adapters are beyond what an upload may hold."""


def says_why(output, folder):
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["status"] == "failed"
    for text in (output, summary["reason"]):
        assert "no upload was ever accepted: its only round was skipped: 0 of 2 uploads accepted" in text
        assert re.search(r"; partition 0.*: .*; the model is as it began", text, re.DOTALL)
    assert "Traceback" not in output


def given(settings):
    return [f"--set={key}={json.dumps(value)}" for key, value in settings.items()]


@pytest.mark.parametrize("rounds", [1, 2])
def test_inline_it_ends_with_1_and_goes_on_no_better(rounds, tmp_path):
    out = tmp_path / "run"
    settings = given({**DIVERGING, "num-server-rounds": rounds})
    result = CliRunner().invoke(app, ["run", "--inline", "--clients", "2", "--output", str(out), *settings])
    assert result.exit_code == 1, result.output
    summary = json.loads((out / "summary.json").read_text())
    assert summary["status"] == "failed"
    assert "no upload was ever accepted" in summary["reason"]
    assert "run failed: no upload was ever accepted" in result.output
    assert "Traceback" not in result.output
    assert "Traceback" in (out / "flower.log").read_text()  # for whoever looks for it
    # The checkpoint of the last round is there, so that the run could be taken for one that lacks its summary alone.
    again = CliRunner().invoke(app, ["run", "--inline", "--set", f'resume-from="{out}"'])
    assert again.exit_code == 1, again.output
    assert "no upload was ever accepted" in again.output
    assert (out / CHECKPOINT_FILE).exists()


def test_no_round_at_all_is_no_failure(tmp_path):
    run(tmp_path / "run", num_clients=2, **{"num-server-rounds": 0})
    assert json.loads((tmp_path / "run/summary.json").read_text())["status"] == "completed"


@pytest.mark.slow
def test_in_a_simulation_it_ends_with_1(tmp_path):
    done = florg_run(tmp_path / "run", "--clients", "2", settings=DIVERGING, env={**os.environ, **ENVIRONMENT})
    assert done.returncode == 1, done.stdout + done.stderr
    says_why(done.stdout + done.stderr, tmp_path / "run")


@pytest.mark.slow
def test_in_a_deployment_it_ends_with_1(tmp_path):
    settings = {**DIVERGING, "min-clients": 2}
    with federation_of(tmp_path, 2, "", "") as federation:
        done = florg_run(tmp_path / "run", "--connection", CONNECTION, settings=settings, env=federation.env)
    assert done.returncode == 1, done.stdout + done.stderr
    says_why(done.stdout + done.stderr, tmp_path / "run")
