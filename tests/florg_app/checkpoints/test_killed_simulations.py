"""kill -9 of a simulation's command at any moment: nothing of it is left, and what it wrote is gone on with."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.florg_app.test_app import same_bits
from tests.support.killed_runs import KINDS, SETTINGS, assignments, go_on, history_of, moments
from tests.support.processes import await_end, processes_of
from tests.support.repository import REPOSITORY
from tests.support.stub_app import FLORG, heard

pytestmark = [pytest.mark.slow, pytest.mark.deployment, pytest.mark.timeout(900)]

NUMBER = 50


def start(run: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [*FLORG, "run", "--app", str(REPOSITORY), "--quiet", *arguments]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(run.parent)}
    with run.with_name("log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=run.parent, env=env, stdout=log, stderr=log, start_new_session=True, preexec_fn=heard
        )


def begun(kind: str, run: Path) -> list[str]:
    return ["--clients", "3", "--output", str(run), *assignments({**SETTINGS, **KINDS[kind]})]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """kind -> (folder of a simulation that nobody disturbed, its duration)."""
    found: dict[str, tuple[Path, float]] = {}

    def make(kind: str) -> tuple[Path, float]:
        if kind not in found:
            run = tmp_path_factory.mktemp("whole") / "run"
            began = time.monotonic()
            assert start(run, *begun(kind, run)).wait() == 0, run.with_name("log").read_text()
            found[kind] = (run, time.monotonic() - began)
        return found[kind]

    return make


@pytest.mark.parametrize(
    ("kind", "moment"),
    [
        pytest.param(kind, moment, id=f"{kind} {moment:.3f}")
        for number, moment in enumerate(moments("simulation", NUMBER))
        for kind in [list(KINDS)[number % len(KINDS)]]
    ],
)
def test_a_simulation_killed_at_a_random_moment_ends_with_the_same_bits_and_history(
    kind, moment, uninterrupted, tmp_path
):
    (whole, seconds), run = uninterrupted(kind), tmp_path / "run"
    process = start(run, *begun(kind, run))
    time.sleep(moment * seconds)
    process.send_signal(signal.SIGKILL)
    killed = process.wait() == -signal.SIGKILL
    await_end(tmp_path)
    if killed or not (run / "summary.json").exists():
        assert start(run, *(go_on(run) or begun(kind, run))).wait() in (0, 2), run.with_name("log").read_text()
    assert same_bits(whole, run)
    assert history_of(run) == history_of(whole)
    assert processes_of(tmp_path) == []
