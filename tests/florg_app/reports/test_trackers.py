"""Trackers are told of each round by one interface; what fails in one of them is said once and fails no run."""

import json
import sqlite3
import subprocess
import sys
from importlib.util import find_spec

import pytest

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.reports.trackers import programs
from florg_app.reports.trackers.numbers import round_numbers
from florg_app.reports.trackers.tracker import TrackedRun, Trackers
from tests.florg_app.test_app import SMALL, history, run

RECORD = {
    "round": 3,
    "sampled": [0, 1, 2],
    "accepted": [0, 2],
    "rejected": [{"partition": 1, "reason": "late"}],
    "skipped": "",
    "train": {"loss": 0.5},
    "clients": {"0": {"loss": 0.4}},
    "evaluation": {"accuracy": 0.75, "loss": None},
    "own": {"mean": {"accuracy": 0.5}},
    "up": {"wire-bytes": 100},
    "seconds": {"train": 1.5},
    "diagnostics": {"6x5": {"drift": 0.1}},
}


def told(name):
    """A tracker of these tests: what it was told is in `.calls`."""

    class Told:
        calls = []

        def __init__(self, run):
            self.calls.append((name, run.name, run.begun))

        def log(self, t, numbers):
            self.calls.append((t, numbers["evaluation/accuracy"]))

        def end(self, status):
            self.calls.append(status)

    return Told


def test_the_numbers_of_a_round_have_flat_names_and_no_client_among_them():
    assert round_numbers(RECORD) == {
        "evaluation/accuracy": 0.75,
        "train/loss": 0.5,
        "seconds/train": 1.5,
        "up/wire-bytes": 100.0,
        "own/mean-accuracy": 0.5,
        "diagnostics/6x5/drift": 0.1,
        "clients/asked": 3.0,
        "clients/accepted": 2.0,
        "clients/rejected": 1.0,
        "clients/skipped-round": 0.0,
    }


@pytest.mark.parametrize("where", ["__init__", "log", "end"])
def test_a_tracker_that_fails_is_left_out_and_named_while_the_others_go_on(where, tmp_path):
    def fail(*_):
        raise SystemExit("no network")

    good, bad, said = told("good"), told("bad"), []
    setattr(bad, where, fail)
    trackers = Trackers(
        {"bad": bad, "good": good}, TrackedRun("r", tmp_path, {}, 0), lambda text, level: said.append(text)
    )
    trackers.log(RECORD)
    trackers.log({**RECORD, "round": 4})
    trackers.end("completed")
    assert good.calls == [("good", "r", 0), (3, 0.75), (4, 0.75), "completed"]
    assert said == ["report.trackers: bad failed and is left out: SystemExit: no network"]


def test_a_run_tells_its_trackers_of_every_round_its_end_and_where_it_went_on(tmp_path, monkeypatch):
    tracker = told("tensorboard")
    monkeypatch.setattr(programs, "STARTS", {"tensorboard": tracker})
    monkeypatch.setattr(programs, "check_trackers", lambda names: None)
    monkeypatch.setattr("florg_app.server_side.start.check_trackers", lambda names: None)
    settings = {**SMALL, "num-server-rounds": 1, "report.trackers": "tensorboard"}
    folder = run(tmp_path / "run", 2, **settings)
    scores = [record["evaluation"]["accuracy"] for record in history(folder)]
    assert tracker.calls == [("tensorboard", "run", 0), (0, scores[0]), (1, scores[1]), "completed"]
    run(folder, 2, **{**settings, "num-server-rounds": 2, "resume-from": str(folder)})
    assert tracker.calls[4] == ("tensorboard", "run", 1)
    assert [call[0] for call in tracker.calls[5:-1]] == [2]


def test_a_tracker_that_fails_fails_no_run(tmp_path, monkeypatch):
    def broken(run):
        raise ConnectionError("nobody is there")

    monkeypatch.setattr(programs, "STARTS", {"wandb": broken})
    monkeypatch.setattr("florg_app.server_side.start.check_trackers", lambda names: None)
    folder = run(tmp_path / "run", 2, **{**SMALL, "report.trackers": "wandb"})
    assert json.loads((folder / "summary.json").read_text())["status"] == "completed"


def test_a_program_that_is_not_there_is_named_before_the_run_with_its_extra(monkeypatch):
    monkeypatch.setattr(programs, "find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r'report.trackers = "wandb,mlflow": wandb is not installed .*pip install .*\[wandb\]'
    ):
        programs.check_trackers(("wandb", "mlflow"))
    with pytest.raises(ConfigError, match=r'report.trackers = "wanbd": expected comma-separated, of tensorboard'):
        parse_settings({"report.trackers": "wanbd"})


def test_importing_the_interface_imports_none_of_the_programs():
    packages = "{'tensorboard', 'trackio', 'wandb', 'mlflow'}"
    code = f"import sys, florg_app.reports.trackers.programs; print(sorted({packages} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def tracked(name, folder):
    """A finished run of one round with the real program."""
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed (the extra {name})")
    run(folder, 2, **{**SMALL, "num-server-rounds": 1, "report.trackers": name})
    return history(folder)[1]["evaluation"]["accuracy"]


def test_tensorboard_finds_the_scores_of_a_run_in_its_folder(tmp_path):
    score = tracked("tensorboard", tmp_path / "run")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "run/tensorboard"))
    events.Reload()
    found = {event.step: event.value for event in events.Scalars("evaluation/accuracy")}
    assert found[1] == pytest.approx(score)
    assert set(found) == {0, 1}


def test_mlflow_finds_the_scores_of_a_run_in_its_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    score = tracked("mlflow", tmp_path / "run")
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path / 'run/mlflow.db'}")
    (found,) = client.search_runs([client.get_experiment_by_name("florg").experiment_id])
    assert (found.info.status, found.info.run_name) == ("FINISHED", "run")
    assert {one.step: one.value for one in client.get_metric_history(found.info.run_id, "evaluation/accuracy")}[
        1
    ] == score
    assert found.data.params["strategy.name"] == "florg"


def test_trackio_keeps_the_scores_of_a_run_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    score = tracked("trackio", tmp_path / "run")
    (file,) = (tmp_path / "trackio").glob("*.db")
    rows = [json.loads(row[0]) for row in sqlite3.connect(file).execute("select metrics from metrics order by step")]
    assert score in [row.get("evaluation/accuracy") for row in rows]


def test_wandb_writes_a_run_offline_into_its_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    tracked("wandb", tmp_path / "run")
    (file,) = (tmp_path / "run/wandb").glob("offline-run-*/run-*.wandb")
    assert b"evaluation/accuracy" in file.read_bytes()
