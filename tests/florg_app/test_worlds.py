"""One app, three worlds: in process, Ray simulation, SuperLink with SuperNodes; the same bits in all of them."""

import os
import subprocess
from pathlib import Path

import pytest

from strategies import METHODS
from tests.florg_app.test_app import SMALL, history, run, same_bits
from tests.support.fakes import asked
from tests.support.processes import BIN, ENVIRONMENT, federation
from tests.support.repository import REPOSITORY

APP = REPOSITORY
pytestmark = pytest.mark.slow


def florg_run(output: Path, *arguments: str, settings: dict, env: dict[str, str]) -> subprocess.CompletedProcess:
    """`florg run` as a person calls it."""
    sets = [
        f"--set={key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in settings.items()
    ]
    command = [BIN / "florg", "run", "--app", str(APP), "--output", str(output), *arguments, *sets]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


ONE_OF_EACH_ADAPTER = {method().plan.adapter: name for name, method in reversed(METHODS.items())}
LOW_RANK = ("gram", "lora")
"""Adapters that `make test` simulates; `make test-deployment` does the others."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, id=adapter, marks=[] if adapter in LOW_RANK else [pytest.mark.deployment])
        for adapter, name in ONE_OF_EACH_ADAPTER.items()
    ],
)
def test_the_ray_simulation_gives_the_bits_of_the_in_process_engine(name, tmp_path):
    settings = {**SMALL, "strategy.name": name}
    done = florg_run(tmp_path / "ray", "--clients", "4", settings=settings, env={**os.environ, **ENVIRONMENT})
    assert done.returncode == 0, done.stdout + done.stderr
    records = history(tmp_path / "ray")
    assert [record["accepted"] for record in records[1:]] == [asked(METHODS[name](), 4)] * 2
    assert records[2]["train"]["loss"] < records[1]["train"]["loss"]
    assert same_bits(tmp_path / "ray", run(tmp_path / "inline", num_clients=4, **{"strategy.name": name}))


def test_superlink_and_supernodes_give_the_bits_of_the_simulation(tmp_path):
    settings = {**SMALL, "min-clients": 2}
    with federation(tmp_path, num_clients=2) as env:
        done = florg_run(tmp_path / "deployed", "--connection", "test", settings=settings, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [record["accepted"] for record in history(tmp_path / "deployed")[1:]] == [[0, 1]] * 2
    assert same_bits(tmp_path / "deployed", run(tmp_path / "inline", num_clients=2, **{"min-clients": 2}))


CODED = {"wire.upload": "int4", "wire.broadcast": "int8", "num-server-rounds": 3}


def test_the_ray_simulation_gives_the_bits_of_the_in_process_engine_with_codecs_and_feedback(tmp_path):
    settings = {**SMALL, **CODED, "fraction-train": 0.75}
    done = florg_run(tmp_path / "ray", "--clients", "4", settings=settings, env={**os.environ, **ENVIRONMENT})
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(record["rejected"] == [] for record in history(tmp_path / "ray")[1:])
    assert same_bits(tmp_path / "ray", run(tmp_path / "inline", num_clients=4, **CODED, **{"fraction-train": 0.75}))


def test_superlink_and_supernodes_give_the_same_bits_with_codecs_and_feedback(tmp_path):
    settings = {**SMALL, **CODED, "min-clients": 2}
    with federation(tmp_path, num_clients=2) as env:
        done = florg_run(tmp_path / "deployed", "--connection", "test", settings=settings, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert same_bits(tmp_path / "deployed", run(tmp_path / "inline", num_clients=2, **CODED, **{"min-clients": 2}))


SECURE = {"strategy.upload": "summand", "privacy.secure-sum": True, "min-clients": 3, "strategy.name": "fedit"}


def test_a_simulated_secure_sum_has_the_bits_of_the_in_process_engine(tmp_path):
    done = florg_run(
        tmp_path / "ray", "--clients", "3", settings={**SMALL, **SECURE}, env={**os.environ, **ENVIRONMENT}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert_summed_securely(tmp_path / "ray", 2, 3)
    assert same_bits(tmp_path / "ray", run(tmp_path / "inline", num_clients=3, **SECURE))


@pytest.mark.deployment
def test_a_secure_sum_of_supernodes_has_the_bits_of_the_in_process_engine(tmp_path):
    # As little as shows it: each of a round's four messages starts a process at every SuperNode.
    one = {**SECURE, "num-server-rounds": 1, "min-clients": 2, "privacy.max-dropouts": 0}
    with federation(tmp_path, num_clients=2) as env:
        done = florg_run(tmp_path / "deployed", "--connection", "test", settings={**SMALL, **one}, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_summed_securely(tmp_path / "deployed", 1, 2)
    assert same_bits(tmp_path / "deployed", run(tmp_path / "inline", num_clients=2, **one))


def assert_summed_securely(output: Path, rounds: int, clients: int) -> None:
    records = history(output)[1:]
    steps = dict.fromkeys(("keys", "shares", "uploads", "revealed"), clients)
    counts = {"threshold": 2, **steps, "weight": 240}
    assert [record["secure-sum"] for record in records] == [counts] * rounds
    assert [record["rejected"] for record in records] == [[]] * rounds
