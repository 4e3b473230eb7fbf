"""`florg compare` on the embedded task, for real; and how it ends."""

import json

import pytest
from typer.testing import CliRunner

from florg_app.cli.main import app
from florg_app.compare.run import disk

REAL = """
name = "real"
methods = ["florg", "fedsa-lora"]
seeds = [1]
clients = 2
costs = false

[settings]
num-server-rounds = 1
server.diagnostics = false
task.max-train-rows = 60
task.max-validation-rows = 20
train.max-steps = 2
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real.toml").write_text(REAL)
    return tmp_path


def florg(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def test_a_matrix_is_run_with_real_cells_and_its_second_call_only_reports(folder):
    first = florg("real.toml")
    assert first.exit_code == 0, first.output
    document = json.loads((folder / "runs/real" / disk.MATRIX).read_text())
    summaries = [
        json.loads((folder / "runs/real" / c["folder"] / "summary.json").read_text()) for c in document["cells"]
    ]
    assert [summary["settings"]["strategy.name"] for summary in summaries] == ["florg", "fedsa-lora"]
    assert [summary["rounds"]["done"] for summary in summaries] == [1, 2]
    assert [set(summary["final"]) & {"accuracy", "own-accuracy"} for summary in summaries] == [
        {"accuracy"},
        {"own-accuracy"},
    ]
    assert "[2/2] fedsa-lora on all, seed 1: own-accuracy 0." in first.output
    assert "completed" not in first.output  # what runs say goes to their own files
    again = florg("real.toml")
    assert (again.exit_code, "2 done, 0 failed, 0 to run" in again.output) == (0, True)


def test_failures_are_named_at_the_end_with_status_1(folder, monkeypatch):
    def run(standing, how):
        for cell in standing.reported():
            disk.record_failure(standing.folder / cell.folder, f"{cell.label} had no luck")
        standing.write()

    monkeypatch.setattr("florg_app.compare.run.runner.run_matrix", run)
    result = florg("real.toml")
    assert result.exit_code == 1
    assert "failed: fedsa-lora on all, seed 1: fedsa-lora had no luck\n" in result.output
    assert f"finished with failures: {folder / 'runs/real'}\n" in result.output


def test_an_interrupted_comparison_ends_with_130(folder, monkeypatch):
    def run(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("florg_app.compare.run.runner.run_matrix", run)
    result = florg("real.toml")
    assert (result.exit_code, "the same command goes on from here" in result.output) == (130, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.toml"], "none.toml: No such file"),
        (["real.toml", "--set", "train.epoch=1"], "in all cells: train.epoch: no such setting"),
        (["real.toml", "--output", "real.toml"], "cannot be made"),
        (["real.toml", "--report-only"], "holds no comparison"),
        (["real.toml", "--config", "none.toml"], "none.toml: No such file"),
    ],
)
def test_what_cannot_be_run_ends_with_2(folder, arguments, words):
    result = florg(*arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert not (folder / "runs").exists()
