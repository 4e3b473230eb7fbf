"""The best round's state is kept beside the newest, also across interruptions, and a run may end where it has it."""

import json

import pytest
import torch
from typer.testing import CliRunner

from florg_app.checkpoints.best import BEST_FILE, round_of_best
from florg_app.checkpoints.checkpoint_file import load_checkpoint
from florg_app.cli.main import app
from florg_app.config.parse import ConfigError, parse_settings
from florg_app.reports.best_round import best_state
from tests.florg_app.test_app import SMALL, history, run, state_of

ROUGH = {**SMALL, "num-server-rounds": 4, "train.learning-rate": 1.0, "task.max-train-rows": 120}
"""The loss falls and rises again."""


def tensors(path):
    return load_checkpoint(path)[0].flat


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


@pytest.fixture(scope="module")
def rough(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rough") / "run"
    return run(folder, 2, **{**ROUGH, "checkpoint.best": "loss", "checkpoint.keep": 9})


def test_the_kept_state_is_that_of_the_best_round(rough):
    best = best_state(history(rough), "loss")
    assert 0 < best.t < 4  # or the test would show nothing
    assert round_of_best(rough) == best.t == summary(rough)["best"]["loss"]["round"]
    assert same(tensors(rough / BEST_FILE), tensors(rough / f"checkpoint-{best.t:06}.safetensors"))
    assert not same(tensors(rough / BEST_FILE), state_of(rough))
    assert summary(rough)["paths"]["best"] == str(rough / BEST_FILE)


def test_the_commands_take_the_best_round(rough, tmp_path):
    t = round_of_best(rough)
    scored = CliRunner().invoke(app, ["evaluate", str(rough), "--best", "--device", "cpu"])
    assert f"round: {t}\n" in scored.stdout
    assert f"loss: {history(rough)[t]['evaluation']['loss']:.4f}" in scored.stdout
    written = CliRunner().invoke(app, ["export", str(rough), "--best", "--output", str(tmp_path / "out")])
    assert written.exit_code == 0, written.output
    assert f", after round {t}\n" in written.stdout
    card = (tmp_path / "out/README.md").read_text()
    assert f"after round {t}:" in card
    assert str(history(rough)[t]["evaluation"]["loss"]) in card


def test_a_run_that_kept_none_says_how_one_is_kept(tmp_path):
    folder = run(tmp_path / "run", 2, **SMALL)
    result = CliRunner().invoke(app, ["evaluate", str(folder), "--best"])
    assert result.exit_code == 2
    assert "a run keeps its best round where checkpoint.best names a score" in result.stderr


def test_what_clients_score_is_the_state_that_they_received(tmp_path):
    own = {"checkpoint.best": "own-loss", "evaluate.on-clients": True, "partition.holdout": 0.3, "checkpoint.keep": 9}
    folder = run(tmp_path / "run", 2, **{**ROUGH, **own})
    best = best_state(history(folder), "own-loss")
    assert best.t < 4
    assert round_of_best(folder) == best.t
    assert same(tensors(folder / BEST_FILE), tensors(folder / f"checkpoint-{best.t:06}.safetensors"))


@pytest.mark.parametrize("place", ["same", "new"])
def test_a_run_that_is_gone_on_with_keeps_the_same_best_round(place, rough, tmp_path):
    settings = {**ROUGH, "checkpoint.best": "loss"}
    begun = run(tmp_path / "begun", 2, **{**settings, "num-server-rounds": 2})
    folder = begun if place == "same" else tmp_path / "new"
    run(folder, 2, **{**settings, "resume-from": str(begun)})
    assert round_of_best(folder) == round_of_best(rough)
    assert same(tensors(folder / BEST_FILE), tensors(rough / BEST_FILE))


def test_a_best_round_after_the_checkpoint_gone_on_from_is_made_again(rough, tmp_path):
    settings = {**ROUGH, "checkpoint.best": "loss", "checkpoint.keep": 9}
    folder = run(tmp_path / "run", 2, **settings)
    run(folder, 2, **{**settings, "resume-from": str(folder / "checkpoint-000000.safetensors")})
    assert round_of_best(folder) == round_of_best(rough)
    (aside,) = folder.glob("superseded-*")
    assert (aside / BEST_FILE).exists()


def test_a_run_ends_early_says_so_and_does_nothing_more_when_gone_on_with(tmp_path):
    settings = {**ROUGH, "num-server-rounds": 30, "checkpoint.best": "loss", "stop.patience": 1}
    folder = run(tmp_path / "run", 2, **settings)
    found = summary(folder)
    done = found["rounds"]["done"]
    assert found["status"] == "completed"
    assert done == round_of_best(folder) + 1 < 30
    assert found["ended-early"].startswith(f"ended early after round {done}: loss has not become better in 1 scored")
    before = state_of(folder)
    run(folder, 2, **{**settings, "resume-from": str(folder)})
    assert summary(folder)["ended-early"] == found["ended-early"]
    assert same(state_of(folder), before)
    run(folder, 2, **{**settings, "stop.patience": 2, "resume-from": str(folder)})
    assert summary(folder)["rounds"]["done"] > done


def test_an_interrupted_run_ends_early_in_the_round_in_which_it_would_have(tmp_path):
    settings = {**ROUGH, "num-server-rounds": 30, "checkpoint.best": "loss", "stop.patience": 2}
    whole = run(tmp_path / "whole", 2, **settings)
    part = run(tmp_path / "part", 2, **{**settings, "num-server-rounds": 1})
    run(part, 2, **{**settings, "resume-from": str(part)})
    assert summary(part)["ended-early"] == summary(whole)["ended-early"] != ""
    assert same(state_of(part), state_of(whole))


def test_a_score_that_the_task_has_not_ends_the_run_before_round_1(tmp_path):
    with pytest.raises(ConfigError, match=r'checkpoint.best = "acuracy": .* choose one of accuracy, f1, loss'):
        run(tmp_path / "run", 2, **{**SMALL, "checkpoint.best": "acuracy"})
    assert len(history(tmp_path / "run")) == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"stop.patience": 3},
            r"stop.patience = 3 looks at the score that checkpoint.best names.*; set checkpoint.best",
        ),
        ({"stop.min-delta": 0.1}, r"stop.min-delta = 0.1 is read with stop.patience alone"),
        ({"checkpoint.best": "own-loss"}, r'checkpoint.best = "own-loss" .* set evaluate.on-clients = true'),
        ({"checkpoint.best": "loss", "evaluate.every": 0}, r"evaluate.every = 0; set that to 1"),
        ({"checkpoint.best": "loss", "strategy.name": "local"}, r'checkpoint.best = "own-loss"'),
    ],
)
def test_settings_that_no_round_could_answer_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        parse_settings(settings)
