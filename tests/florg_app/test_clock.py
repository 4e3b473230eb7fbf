"""A clock that is set while a run is at work changes no duration: those are measured by one that only goes forward."""

import ast
import itertools
import json
import time

from tests.support.interrupted import whole
from tests.support.repository import REPOSITORY

DATES = {"certificates.py", "superlink.py", "experiment.py", "start.py"}
"""Files that ask for today's date: certificates' validity, and the names of new folders."""


def asked(call: ast.Call) -> str:
    """ "time.time" of time.time()."""
    function = call.func
    return f"{function.value.id}.{function.attr}" if _plain(function) else ""


def _plain(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)


def test_no_duration_is_measured_by_the_clock_on_the_wall():
    for package in ("florg_app", "clients", "strategies"):
        for path in (REPOSITORY / package).rglob("*.py"):
            calls = {asked(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)}
            assert not {"time.time", "time.time_ns", "datetime.utcnow"} & calls, path
            assert "datetime.now" not in calls or path.name in DATES, path


def test_a_clock_that_jumps_by_years_leaves_all_seconds_true(tmp_path, monkeypatch):
    jumps = itertools.cycle([0, 10**8, -(10**8)])
    monkeypatch.setattr(time, "time", lambda: 1.7e9 + next(jumps))
    run = whole(tmp_path / "run", **{"num-server-rounds": 2, "train.max-steps": 1, "evaluate.every": 0})
    summary = json.loads((run / "summary.json").read_text())
    assert all(0 <= seconds < 10**6 for seconds in summary["seconds"].values())
