"""kill -9 at any moment: what is left can be gone on with, or begun again, and ends with the same bits and history."""

import json
import shutil
import signal
import time
from pathlib import Path

import pytest

import florg_app.client_app
import florg_app.engines.inline
import florg_app.reports.curves  # noqa: F401 - before the forks
from tests.florg_app.test_app import same_bits
from tests.support.killed_runs import KINDS, SETTINGS, Fork, assignments, go_on, history_of, moments

pytestmark = pytest.mark.slow

NEW = ["--clients", "3"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """kind -> (folder of a run, its duration, how many effects it had on the disk)."""
    found: dict[str, tuple[Path, float, int]] = {}

    def make(kind: str) -> tuple[Path, float, int]:
        if kind not in found:
            run = tmp_path_factory.mktemp("whole") / "run"
            fork = Fork(run, *begun(kind, run))
            assert fork.wait() == 0, fork.log.read_text()
            seconds = time.monotonic() - fork.began
            found[kind] = (run, seconds, int(fork.log.with_suffix(".effects").read_text()))
        return found[kind]

    return make


def begun(kind: str, run: Path) -> list[str]:
    """The arguments that begin a run."""
    return [*NEW, "--output", str(run), *assignments({**SETTINGS, **KINDS[kind]})]


def finished(kind: str, run: Path) -> None:
    """Go on to the end, which has to be a good one."""
    arguments = go_on(run) or begun(kind, run)
    fork = Fork(run, *arguments)
    status = fork.wait()
    done = run.is_dir() and (run / "summary.json").exists()
    complete = done and json.loads((run / "summary.json").read_text())["status"] == "completed"
    assert status == 0 or (status == 2 and complete), fork.log.read_text()  # 2: it was killed after its end


def check(kind: str, whole: Path, run: Path) -> None:
    assert same_bits(whole, run), kind
    assert history_of(run) == history_of(whole)
    assert json.loads((run / "summary.json").read_text())["status"] == "completed"


FEW, ALL = 2, 50


def random_moments():
    """A few of each kind at once, the others with the long tests."""
    return [
        pytest.param(kind, moment, id=f"{kind} {moment:.3f}", marks=() if number < FEW else pytest.mark.deployment)
        for kind in KINDS
        for number, moment in enumerate(moments(kind, ALL))
    ]


@pytest.mark.parametrize(("kind", "moment"), random_moments())
def test_a_run_killed_at_a_random_moment_ends_with_the_same_bits_and_history(kind, moment, uninterrupted, tmp_path):
    whole, seconds, _ = uninterrupted(kind)
    run = tmp_path / "run"
    for arguments, fraction in ((begun(kind, run), moment), (None, moment / 2)):  # the attempt to go on is killed too
        fork = Fork(run, *(arguments or go_on(run) or begun(kind, run)))
        time.sleep(fraction * seconds)
        fork.kill()
        fork.wait()
    finished(kind, run)
    check(kind, whole, run)


@pytest.mark.parametrize("share", [0.3, 0.98])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_killed_before_some_effect_on_the_disk_ends_with_the_same_bits_and_history(
    kind, share, uninterrupted, tmp_path
):
    killed_before(kind, uninterrupted, tmp_path / "run", 1 + int(share * uninterrupted(kind)[2]))


@pytest.mark.deployment
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_killed_before_any_effect_on_the_disk_ends_with_the_same_bits_and_history(kind, uninterrupted, tmp_path):
    for deadly in range(1, uninterrupted(kind)[2] + 1):
        killed_before(kind, uninterrupted, tmp_path / str(deadly), deadly)
        shutil.rmtree(tmp_path / str(deadly))


def killed_before(kind, uninterrupted, run: Path, deadly: int) -> None:
    fork = Fork(run, *begun(kind, run), deadly=deadly)
    assert fork.wait() == -signal.SIGKILL
    finished(kind, run)
    check(kind, uninterrupted(kind)[0], run)
