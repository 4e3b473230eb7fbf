"""A SuperNode whose clients stay: the bits of a cold one, with nothing loaded twice, and nothing left behind."""

import re
from pathlib import Path

import pytest

from tests.florg_app.test_app import SMALL, history, run, same_bits
from tests.florg_app.test_worlds import florg_run
from tests.support.processes import await_end, federation

pytestmark = pytest.mark.slow

WARM = ("florg", "supernode")
LIVES = re.compile(r"run \d+: its client lives in process (\d+)")


def node_log(folder: Path, partition: int = 0) -> str:
    return (folder / f"supernode-{partition}.log").read_text()


def test_a_warm_client_has_the_bits_of_a_cold_one_and_loads_nothing_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("FLWR_LOG_LEVEL", "DEBUG")
    settings = {**SMALL, "min-clients": 2, "num-server-rounds": 3}
    with federation(tmp_path, 2, *WARM) as env:
        done = florg_run(tmp_path / "warm", "--connection", "test", settings=settings, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [record["accepted"] for record in history(tmp_path / "warm")[1:]] == [[0, 1]] * 3
    inline = run(tmp_path / "inline", num_clients=2, **{"min-clients": 2, "num-server-rounds": 3})
    assert same_bits(tmp_path / "warm", inline)
    for partition in range(2):
        log = node_log(tmp_path, partition)
        assert len(LIVES.findall(log)) == 1
        loads = re.findall(r"loaded in this process: (\S+)", log)
        assert sorted(loads) == sorted(set(loads))
        assert "assembly" in loads
    await_end(tmp_path)
