"""A search by TPE gives every method as many trials, the same first ones, and goes on as if it had never stopped."""

import json

import pytest

from florg_app.compare import steps
from florg_app.compare.matrix import cells
from florg_app.compare.matrix.matrix import MatrixError
from florg_app.compare.matrix.reading import parse_matrix
from florg_app.compare.report.results import read_comparison
from florg_app.compare.report.tuning import tuning_table
from florg_app.compare.run import runner, search
from florg_app.compare.run.tuning_choice import Tried
from florg_app.config.runconfig import find_app
from tests.florg_app.compare.test_compare_runner import standing
from tests.support import compare_runs
from tests.support.compare_runs import leave_run

pytest.importorskip("optuna", reason="the extra `tune` is not installed")

RATE = "train.learning-rate"
SPACE = {
    RATE: {"low": 0.001, "high": 0.1, "log": True},
    "train.batch-size": [4, 8],
    "adapter.rank": {"low": 1, "high": 3},
}
TPE = {"search": "tpe", "trials": 6, "seeds": [7, 8], "rounds": 3, "holdout": 0.2, "space": SPACE}
MATRIX = {"name": "m", "methods": ["florg"], "seeds": [1], "clients": 2}


def tune_of(**changes):
    return parse_matrix({**MATRIX, "tune": {**TPE, **changes}}).tune


def played(tune, score, metric="accuracy"):
    """All trials of a search whose points score as `score` says, and how often it was asked to go on."""
    known, asked = {}, 0
    while True:
        tried, missing = search.tried_points(tune, metric, lambda point: known.get(json.dumps(point)))
        if not missing:
            return tried, asked
        asked += 1
        (point,) = missing
        known[json.dumps(point)] = Tried(point, (score(point),))


def near(point):
    """Best at a learning rate of a hundredth."""
    return 1 - abs(point[RATE] - 0.01)


def test_there_are_as_many_trials_as_the_matrix_says_all_within_the_space():
    tried, asked = played(tune_of(trials=9), near)
    assert len(tried) == 9
    assert asked <= 9
    for one in tried:
        assert 0.001 <= one.point[RATE] <= 0.1
        assert one.point["train.batch-size"] in (4, 8)
        assert one.point["adapter.rank"] in (1, 2, 3)
        assert float(f"{one.point[RATE]:.4g}") == one.point[RATE]


def test_the_first_trials_are_the_same_for_all_and_the_later_ones_follow_from_the_scores():
    low, high = (played(tune_of(trials=12), lambda point, sign=sign: sign * point[RATE])[0] for sign in (-1, 1))
    points = [[one.point for one in tried] for tried in (low, high)]
    assert points[0][:4] == points[1][:4]
    assert points[0][4:] != points[1][4:]
    means = [sum(point[RATE] for point in found[4:]) / len(found[4:]) for found in points]
    assert means[0] < means[1], "it looks where it found better scores"


def test_another_seed_makes_other_trials_and_the_same_seed_the_same():
    first, again = (played(tune_of(), near)[0] for _ in range(2))
    other, _ = played(tune_of(seeds=[9]), near)
    assert first == again
    assert [one.point for one in first] != [one.point for one in other]


def test_of_a_loss_less_is_better():
    tried, _ = played(tune_of(trials=12), lambda point: point[RATE], metric="loss")
    by_accuracy, _ = played(tune_of(trials=12), lambda point: -point[RATE])
    assert [one.point for one in tried] == [one.point for one in by_accuracy]


def test_a_failed_trial_counts_and_ends_nothing():
    tried, _ = played(tune_of(), lambda point: None if point["train.batch-size"] == 8 else near(point))
    assert len(tried) == 6
    assert None in [one.mean for one in tried]


def leave_score(folder, config):
    """What a tuning run or a reported one leaves, the better the nearer its rate is to a hundredth."""
    score = near(config)
    scored = {"own": [0.0, score, score]} if folder.parts[-4] == "tuning" else {}
    leave_run(folder, config, [0.3], **scored)


def dear(job):
    """A worker's cell."""
    compare_runs.note(job)
    leave_score(job.folder, job.config)
    return ""


def tuned_in_process(found):
    """Run what is missing of a search, without workers; the folders of the runs, in order."""
    begun = []
    while missing := [cell for cell in found.tuning() if found.look(cell).status == "missing"]:
        for cell in missing:
            leave_score(found.folder / cell.folder, cell.config)
            found.look(cell)
            begun.append(cell.folder)
        found.settle_tuning()
    return begun


def test_every_method_is_tuned_with_the_same_budget_and_runs_with_its_best_trial(tmp_path, capsys):
    tune = {**TPE, "trials": 3, "seeds": [7]}
    found = standing(tmp_path, methods=["florg", "fedit"], tune=tune, seeds=[1])
    runner.run_matrix(found, runner.RunOptions(tmp_path), dear)
    document = found.document()
    for label in ("florg", "fedit"):
        tuned = document["tuned"]["all"][label]
        assert (len(tuned["points"]), tuned["search"]) == (3, "tpe")
        best = max(tuned["points"], key=lambda point: point["score"])
        assert tuned["chosen"] == best["settings"]
        (cell,) = [cell for cell in document["cells"] if cell["label"] == label]
        assert cell["settings"][RATE] == best["settings"][RATE]
        assert cell["status"] == "finished"
    assert len(compare_runs.begun(tmp_path)) == 2 * 3 + 2
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == "m: 8 cells, 0 done, 0 failed, 8 to run"
    assert last.startswith("[8/8] ")


def test_a_search_that_was_stopped_goes_on_to_the_same_trials_without_running_one_twice(tmp_path):
    matrix = {"methods": ["florg"], "tune": TPE, "seeds": [1]}
    whole, parts = standing(tmp_path / "whole", **matrix), standing(tmp_path / "parts", **matrix)
    every = tuned_in_process(whole)
    assert len(every) == 6 * 2
    tuned_in_process(parts)
    for folder in every[5:]:
        (parts.folder / folder / "summary.json").unlink()
        (parts.folder / folder / "history.jsonl").unlink()
    again = standing(tmp_path / "parts", **matrix)
    assert tuned_in_process(again) == every[5:]
    assert again.tuned() == whole.tuned()


def test_the_report_says_that_the_budget_was_equal_and_knows_no_edge_of_a_space(tmp_path):
    found = standing(tmp_path, methods=["florg", "fedit"], tune=TPE, seeds=[1])
    tuned_in_process(found)
    found.write()
    table = tuning_table(read_comparison(tmp_path))
    assert table.notes == ("Equal budget: 6 points each, chosen on held-out rows, not on the reported ones.",)
    assert len(table.rows) == 12


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"trials": None}, "trials: give a number with search = 'tpe'"),
        ({"trials": 1}, "tune.trials = 1"),
        ({"space": {}}, r"\[tune.space\] is missing or empty"),
        ({"grid": {RATE: [0.1]}}, r"\[tune.grid\] is there, which search = 'tpe' does not read"),
        ({"search": "grid", "trials": None, "space": {}}, r"\[tune.grid\] is missing or empty"),
        ({"search": "bayes"}, "tune.search = 'bayes'"),
        ({"space": {RATE: {"low": 0.1, "high": 0.01}}}, "low = 0.1 must be below high = 0.01"),
        ({"space": {RATE: {"low": 0, "high": 0.01, "log": True}}}, "low = 0: with log = true it must be above 0"),
        ({"space": {"seed": [1, 2]}}, r"\[tune.space\] seed: the key seeds has the seeds"),
    ],
)
def test_a_search_that_makes_no_sense_is_answered_before_anything_runs(changes, problem):
    given = {key: value for key, value in {**TPE, **changes}.items() if value is not None}
    with pytest.raises(MatrixError, match=problem):
        parse_matrix({**MATRIX, "tune": given})


def test_every_corner_of_the_space_must_be_a_setting(tmp_path):
    found = parse_matrix({**MATRIX, "tune": {**TPE, "space": {RATE: {"low": -1.0, "high": 0.1}}}})
    layers = cells.gather_layers(find_app(tmp_path), tmp_path / "m.toml", found, [], [])
    assert any("train.learning-rate = -1.0" in problem for problem in cells.Planner(found, layers).problems())


def test_without_optuna_the_remedy_is_said_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "find_spec", lambda name: None)
    matrix = tmp_path / "m.toml"
    matrix.write_text(
        'name = "m"\nmethods = ["florg"]\nseeds = [1]\nclients = 2\n[tune]\nsearch = "tpe"\ntrials = 3\nseeds = [7]\n'
        "rounds = 2\nholdout = 0.2\n[tune.space]\ntrain.learning-rate = { low = 0.001, high = 0.1, log = true }\n"
    )
    with pytest.raises(MatrixError, match=r"needs optuna, which is not installed: pip install '.\[tune\]'"):
        steps.plan_cells(tmp_path, matrix, [], [])
