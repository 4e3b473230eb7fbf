"""Whatever has happened to the folder of a run: it is gone on with to the same bits, or refused with a named reason."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from florg_app.checkpoints.run_checkpoint import UNSEALED
from florg_app.cli.main import app
from tests.florg_app.test_app import same_bits
from tests.support.damages import damages
from tests.support.interrupted import FAST
from tests.support.repository import REPOSITORY

SETTINGS = {
    **FAST,
    "strategy.name": "fedsa-lora",
    "train.optimizer-state": "keep",
    "train.max-steps": 1,
    "fraction-train": 1.0,
    "evaluate.every": 0,
    "server.diagnostics": False,
    "checkpoint.every": 2,
    "checkpoint.keep": 3,
}

NUMBER = 100
"""Of damages, at least."""


def inline(*arguments) -> tuple[int, str]:
    """(exit status, output) of `florg run --inline`; another end than one with a status is raised."""
    result = CliRunner().invoke(app, ["run", "--inline", "--app", str(REPOSITORY), *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Path, Path]:
    """(a run of six rounds, the same after four of them)."""
    folder = tmp_path_factory.mktemp("runs")
    given = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    for name, rounds in (("whole", 6), ("begun", 4)):
        rest = ["--set", f"num-server-rounds={rounds}", "--clients", "2", "--output", folder / name]
        status, output = inline(*given, *rest)
        assert status == 0, output
    return folder / "whole", folder / "begun"


def test_there_are_enough_of_them():
    assert len(damages()) >= NUMBER


def sorted_out(every: int):
    """Each so many-th at once, the others with the long tests: all of them take minutes."""
    return [
        name if number % every == 0 else pytest.param(name, marks=pytest.mark.deployment)
        for number, name in enumerate(damages())
    ]


@pytest.mark.parametrize("damage", sorted_out(every=6))
def test_a_damaged_run_ends_with_the_same_bits_or_is_refused_with_a_reason(damage, runs, tmp_path):
    whole, begun = runs
    shutil.copytree(begun, run := tmp_path / "run", symlinks=True)
    damages()[damage](run)
    status, output = inline("--set", f"resume-from={run}", "--set", "num-server-rounds=6")
    if status == 0:
        forged = "without seals" in damage and UNSEALED in output  # it passes for an earlier version's: that is said
        assert same_bits(whole, run) or forged, output
        assert json.loads((run / "summary.json").read_text())["status"] == "completed"
    else:
        assert "Traceback" not in output or f"\nValueError: {run}" in output
        assert status in (1, 2), output
        assert str(run) in output
