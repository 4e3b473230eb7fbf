"""Wherever a run is ended, its folder can be gone on with or begun again; two runs never share one."""

import json

import pytest

from florg_app.checkpoints.checkpoint_file import CHECKPOINT_FILE
from florg_app.checkpoints.manager import CheckpointManager
from florg_app.folder_lock import RUN_LOCK, BusyError
from florg_app.reports.report import Report
from tests.florg_app.test_app import history, same_bits
from tests.support.interrupted import Grid, Killed, config_of, serve, whole

QUIET = {"evaluate.every": 0, "server.diagnostics": False}


def ended(folder, monkeypatch, *where, **settings) -> None:
    """A run whose process is ended when it calls one of these methods; it writes nothing after that."""
    with monkeypatch.context() as patched:
        for owner, name in (*where, (Report, "finish")):
            patched.setattr(owner, name, _end)
        config = config_of(folder, **QUIET, **settings)
        with pytest.raises(Killed):
            serve(Grid(config), config)


def _end(*_, **__):
    raise Killed


def summary(folder) -> dict:
    return json.loads((folder / "summary.json").read_text())


def test_a_run_ended_between_its_last_checkpoint_and_its_summary_is_gone_on_with_to_its_end(tmp_path, monkeypatch):
    expected = whole(tmp_path / "whole", **QUIET)
    ended(tmp_path / "run", monkeypatch)
    assert not (tmp_path / "run" / "summary.json").exists()
    config = config_of("", **QUIET, **{"resume-from": str(tmp_path / "run")})
    grid = Grid(config)
    serve(grid, config)
    assert grid.trained == []
    assert same_bits(expected, tmp_path / "run")
    found, other = summary(tmp_path / "run"), summary(expected)
    assert {key: found[key] for key in ("status", "rounds", "uploads", "communication")} == {
        key: other[key] for key in ("status", "rounds", "uploads", "communication")
    }
    with pytest.raises(ValueError, match="the run is complete; raise num-server-rounds"):
        serve(grid, config)


def test_a_damaged_summary_is_written_anew(tmp_path):
    run = whole(tmp_path / "run", **QUIET)
    (run / "summary.json").write_bytes((run / "summary.json").read_bytes()[:-50])
    serve(Grid(config_of("")), config_of("", **QUIET, **{"resume-from": str(run)}))
    assert summary(run)["status"] == "completed"


def test_a_run_ended_before_its_first_checkpoint_is_begun_again_by_the_same_command(tmp_path, monkeypatch):
    expected, run = whole(tmp_path / "whole", **QUIET), tmp_path / "run"
    ended(run, monkeypatch, (CheckpointManager, "begin"))
    assert [record["round"] for record in history(run)] == [0]
    resumed = config_of("", **QUIET, **{"resume-from": str(run)})
    with pytest.raises(ValueError, match=r"ended before its first checkpoint.* begin it again without resume-from"):
        serve(Grid(resumed), resumed)
    whole(run, **QUIET)
    assert same_bits(expected, run)
    assert [record["round"] for record in history(run)] == [0, 1, 2, 3, 4]
    (aside,) = run.glob("superseded-*")
    assert [record["round"] for record in history(aside)] == [0]


def test_a_resumed_run_ended_before_its_own_first_checkpoint_has_the_older_ones(tmp_path, monkeypatch):
    """It goes on from round 3, and round 4 is already out of the way."""
    expected, run = whole(tmp_path / "whole", **QUIET), whole(tmp_path / "run", **QUIET)
    older = {"resume-from": str(run / "checkpoint-000003.safetensors")}
    ended(run, monkeypatch, (CheckpointManager, "begin"), **older, **{"output-dir": ""})
    assert not (run / CHECKPOINT_FILE).exists()
    serve(Grid(config_of("")), config_of("", **QUIET, **{"resume-from": str(run)}))
    assert same_bits(expected, run)
    assert [record["round"] for record in history(run)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("left", ["checkpoint", "a later round", "garbage"])
def test_a_folder_with_anything_of_worth_is_not_begun_again(left, tmp_path):
    run = whole(tmp_path / "run", **QUIET)
    (run / "summary.json").unlink()
    if left == "checkpoint":
        (run / "history.jsonl").unlink()
    else:
        for path in run.glob("*.safetensors"):
            path.unlink()
    if left == "garbage":
        (run / "history.jsonl").write_text("what was here?\n")
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    with pytest.raises(ValueError, match="already holds a run"):
        whole(run, **QUIET)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


class Crowded(Grid):
    """Somebody begins another run in the same folder while the clients train."""

    def __init__(self, config, crowd) -> None:
        super().__init__(config)
        self.crowd, self.refusals = crowd, []

    def _serve(self, message):
        if message.metadata.message_type == "train":
            with pytest.raises(BusyError) as refusal:
                serve(Grid(self.crowd), self.crowd)
            self.refusals.append(str(refusal.value))
        return super()._serve(message)


@pytest.mark.parametrize("resumes", [False, True])
def test_a_second_run_is_refused_while_another_is_at_work_in_its_folder(resumes, tmp_path):
    expected = whole(tmp_path / "whole", **QUIET)
    config = config_of(tmp_path / "run", **QUIET)
    grid = Crowded(config, config_of("", **QUIET, **{"resume-from": str(tmp_path / "run")}) if resumes else config)
    serve(grid, config)
    assert same_bits(expected, tmp_path / "run")
    assert len(grid.refusals) == 12
    assert all("another run is at work there (process " in text for text in grid.refusals)
    assert not (tmp_path / "run" / RUN_LOCK).exists()
