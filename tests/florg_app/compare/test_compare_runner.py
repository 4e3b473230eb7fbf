"""A comparison runs what is missing and nothing else, whatever happens to single cells or to itself."""

import json
import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from florg_app.compare.matrix import cells, reading
from florg_app.compare.run import disk, runner
from florg_app.compare.run.status import MatrixStatus, failures
from florg_app.config.runconfig import find_app
from tests.support import compare_runs, patience

BASIC = {"name": "m", "methods": ["florg", "fedit", "ffa-lora"], "seeds": [1, 2], "clients": 3, "costs": False}


def standing(folder, **document):
    found = reading.parse_matrix({**BASIC, **document})
    planner = cells.Planner(found, cells.gather_layers(find_app(folder), folder / "m.toml", found, [], []))
    assert planner.problems() == []
    return MatrixStatus(planner, folder)


def run(folder, work=compare_runs.fake_run, *, jobs=1, retry_failed=False, **document):
    """Run a matrix with fake cells; returns matrix.json."""
    how = runner.RunOptions(folder, jobs=jobs, retry_failed=retry_failed, quiet=True)
    runner.run_matrix(standing(folder, **document), how, work)
    return read(folder)


def read(folder):
    return json.loads((folder / disk.MATRIX).read_text())


def statuses(document, kind="cells"):
    return {(c["label"], c.get("seed")): c["status"] for c in document[kind]}


def test_cells_run_once_in_the_order_of_seeds_and_a_second_call_runs_none(tmp_path):
    document = run(tmp_path, methods=["florg", "ffa-lora"])
    assert compare_runs.begun(tmp_path) == ["florg 1", "ffa-lora 1", "florg 2", "ffa-lora 2"]
    assert set(statuses(document).values()) == {"finished"}
    assert all((tmp_path / c["folder"] / "summary.json").exists() for c in document["cells"])
    assert document == run(tmp_path, methods=["florg", "ffa-lora"])
    assert len(compare_runs.begun(tmp_path)) == 4


def test_a_new_seed_or_setting_adds_cells_and_keeps_the_old_ones(tmp_path):
    run(tmp_path, methods=["florg"])
    document = run(tmp_path, methods=["florg"], seeds=[1, 2, 3])
    assert compare_runs.begun(tmp_path) == ["florg 1", "florg 2", "florg 3"]
    changed = run(tmp_path, methods=["florg"], seeds=[1], settings={"adapter.rank": 2})
    assert len(compare_runs.begun(tmp_path)) == 4
    assert changed["cells"][0]["folder"] not in [c["folder"] for c in document["cells"]]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_cell_that_kills_its_process_and_one_that_raises_cost_nobody_else(tmp_path, jobs):
    document = run(tmp_path, jobs=jobs, methods=["florg", "fedit", "fedprox", "ffa-lora"])
    failed = {key for key, status in statuses(document).items() if status == "failed"}
    assert failed == {("fedit", 1), ("fedprox", 1), ("fedprox", 2)}
    assert sorted(compare_runs.begun(tmp_path)) == sorted(f"{label} {seed}" for label, seed in statuses(document))
    reasons = failures(document)
    assert len(reasons) == 3
    assert "fedit on all, seed 1: its worker process died" in reasons[0]
    assert "RuntimeError: no luck" in reasons[1]


def test_failed_cells_run_again_only_when_asked_to(tmp_path):
    run(tmp_path, methods=["fedprox"], seeds=[1])
    run(tmp_path, methods=["fedprox"], seeds=[1])
    assert len(compare_runs.begun(tmp_path)) == 1
    document = run(tmp_path, methods=["fedprox"], seeds=[1], retry_failed=True)
    assert len(compare_runs.begun(tmp_path)) == 2
    assert document["cells"][0]["status"] == "failed"


def test_what_an_unfinished_run_left_is_kept_beside_the_new_one(tmp_path):
    compare_runs.leave_run(folder := tmp_path / first(tmp_path), {}, [0.5])
    (folder / "summary.json").unlink()
    run(tmp_path, methods=["florg"], seeds=[1])
    aside = folder.with_name(f"{folder.name}.earlier-1")
    assert (aside / "history.jsonl").exists()
    assert (folder / "summary.json").exists()


def first(folder):
    """Where the only cell of a matrix of florg and seed 1 goes."""
    (cell,) = standing(folder, methods=["florg"], seeds=[1]).reported()
    return cell.folder


@pytest.mark.parametrize(
    ("summary", "reason"),
    [
        ({"status": "failed", "reason": "no rows"}, "no rows"),
        ({"final": {"round": 2, "accuracy": None}}, "diverged: its last accuracy is not a number"),
        ({"final": {"round": 2, "f1": 0.5}}, "the run has no score accuracy; its scores are: f1"),
    ],
)
def test_a_run_without_a_usable_score_has_failed(tmp_path, summary, reason):
    path = tmp_path / first(tmp_path)
    (cell,) = standing(tmp_path, methods=["florg"], seeds=[1]).reported()
    compare_runs.leave_run(path, cell.config, [0.5])
    known = json.loads((path / "summary.json").read_text())
    (path / "summary.json").write_text(json.dumps({**known, **summary}))
    assert disk.read_cell_state(path, cell, "accuracy") == disk.CellState("failed", reason)


def test_a_setting_that_later_versions_add_leaves_finished_cells_finished(tmp_path):
    (cell,) = standing(tmp_path, methods=["florg"], seeds=[1]).reported()
    compare_runs.leave_run(tmp_path, {k: v for k, v in cell.config.items() if k != "train.warmup"}, [0.5])
    assert disk.read_cell_state(tmp_path, cell, "accuracy").status == "finished"
    compare_runs.leave_run(tmp_path, {**cell.config, "train.warmup": 0.5}, [0.5])
    assert disk.read_cell_state(tmp_path, cell, "accuracy").status == "missing"


def test_a_second_comparison_in_the_same_folder_is_refused_and_a_dead_ones_lock_is_not(tmp_path):
    (tmp_path / disk.LOCK).write_text("999999999\n")
    with disk.locked(tmp_path), pytest.raises(disk.BusyError, match=f"process {os.getpid()}"):
        run(tmp_path)
    assert compare_runs.begun(tmp_path) == []
    run(tmp_path, methods=["florg"], seeds=[1])


@pytest.fixture
def interruptible():
    """Control-C raises, also where a shell began the tests in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_ends_the_workers_and_leaves_matrix_json_current(tmp_path):
    workers = []

    def interrupt():
        workers.append(_worker(tmp_path))
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, compare_runs.slow_run)
    assert set(statuses(read(tmp_path)).values()) == {"missing"}
    assert not workers[0].is_running()


def test_workers_do_not_outlive_a_killed_comparison(tmp_path):
    code = """
import sys
from pathlib import Path
from types import SimpleNamespace
from florg_app.compare.run import pool
from tests.support import compare_runs
if __name__ == "__main__":
    job = SimpleNamespace(app=Path(sys.argv[1]), process="one")
    list(pool.serve_jobs([job], compare_runs.slow_run, 1, 1, print))
"""
    (script := tmp_path / "main.py").write_text(code)
    process = subprocess.Popen([sys.executable, script, tmp_path], env={**os.environ, "PYTHONPATH": os.getcwd()})
    worker = _worker(tmp_path, process)
    process.kill()
    process.wait()
    patience.until("its worker has ended", lambda: not worker.is_running())


def _worker(folder, parent=None):
    """The process that `slow_run` is in, once it is; `parent` started it, where that is another process than this."""
    calls = folder / compare_runs.CALLS
    patience.until("the cell has begun", lambda: calls.exists() and calls.read_text().endswith("\n"), parent)
    return psutil.Process(int(calls.read_text()))


def test_costs_are_measured_in_one_round_each(tmp_path):
    document = run(tmp_path, methods=["florg", "ffa-lora"], seeds=[1], costs=True)
    assert compare_runs.begun(tmp_path) == ["florg 1", "ffa-lora 1"] * 2
    assert statuses(document, "costs") == {("florg", None): "finished", ("ffa-lora", None): "finished"}
    summary = json.loads((tmp_path / document["costs"][0]["folder"] / "summary.json").read_text())
    assert (summary["settings"]["num-server-rounds"], summary["settings"]["measure.costs"]) == (1, True)
