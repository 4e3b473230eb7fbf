"""The scripts of examples/ do what their first lines say, each in a process of its own as a reader would start it."""

import os
import re
import subprocess
import sys

import pytest

from tests.support.repository import REPOSITORY

EXAMPLES = sorted(path.name for path in (REPOSITORY / "examples").glob("*.py"))


def printed(name: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, REPOSITORY / "examples" / name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_has_a_test_here():
    assert EXAMPLES == ["notebook.py", "own_client.py", "own_server.py"]


def test_a_strategy_in_a_server_app_of_ones_own_comes_near_to_what_all_clients_want():
    distances = [float(found) for found in re.findall(r"round \d+: .*?([\d.]+)\}?$", printed("own_server.py"), re.M)]
    assert len(distances) == 6
    assert distances == sorted(distances, reverse=True)
    # What is left is what no common dW can have: the clients' own noise, .1^2 in each of 30 numbers.
    assert distances[-1] < 0.5


def test_local_training_in_a_client_app_of_ones_own_learns_under_flowers_fedavg():
    losses = [float(loss) for loss in re.findall(r"^round \d+: loss ([\d.]+)$", printed("own_client.py"), re.M)]
    assert len(losses) == 3
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_the_notebook_shows_two_methods_and_an_adapter(tmp_path):
    lines = printed("notebook.py", str(tmp_path)).splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["florg", "fedit"]
    assert re.search(r"query: B \(64, 8\), A \(8, 64\), singular values of dW \[[\d., e-]+\]", lines[-1])
