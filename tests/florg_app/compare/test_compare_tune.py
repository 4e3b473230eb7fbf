"""Every method gets the point of the grid that scored best on held-out rows; what failed is never chosen."""

import json
import math

import pytest

from florg_app.compare.run import disk, runner, tuning_choice
from florg_app.compare.run.tuning_choice import Tried
from tests.florg_app.compare.test_compare_runner import run, standing, statuses
from tests.support import compare_runs

TUNE = {"seeds": [7, 8], "rounds": 3, "holdout": 0.2, "grid": {"train.learning-rate": [0.1, 0.01]}}


def own(*scores):
    return [{"round": t, "own": {"mean": {"accuracy": score}}} for t, score in enumerate(scores, 1)]


@pytest.mark.parametrize(
    ("scores", "score"),
    [
        ((0.9, 0.1, 0.2, 0.4), 0.3),  # the last two
        ((0.9, 0.5), 0.5),  # round 1 scores the untrained model
        ((0.9, 0.5, None), None),
        ((0.9, 0.5, math.nan), None),
        ((0.9,), None),
    ],
)
def test_the_held_out_score_is_that_of_the_last_rounds(scores, score):
    assert tuning_choice.held_out_score([{"round": 0}, *own(*scores)], "accuracy") == (score and pytest.approx(score))


def test_the_best_mean_over_seeds_is_chosen_and_of_equal_ones_the_first():
    tried = [Tried({"a": 1}, (0.5, 0.6)), Tried({"a": 2}, (0.4, 0.9)), Tried({"a": 3}, (0.9, 0.4))]
    assert tuning_choice.choose(tried, "accuracy") == {"a": 2}
    assert tuning_choice.choose(tried, "loss") == {"a": 1}


def test_a_point_of_which_a_seed_failed_loses_to_any_other():
    tried = [Tried({"a": 1}, (0.9, None)), Tried({"a": 2}, (0.1, 0.1))]
    assert tuning_choice.choose(tried, "accuracy") == {"a": 2}
    assert tuning_choice.choose(tried[:1], "accuracy") is None


def test_reported_cells_use_the_point_of_their_method_and_all_scores_are_kept(tmp_path):
    document = run(tmp_path, compare_runs.tuned_run, methods=["florg", "ffa-lora", "fedprox"], tune=TUNE, seeds=[1])
    assert compare_runs.begun(tmp_path)[-2:] == ["florg 1", "ffa-lora 1"]
    assert len(compare_runs.begun(tmp_path)) == 3 * 2 * 2 + 2
    rates = [c["settings"].get("train.learning-rate") for c in document["cells"]]
    assert rates == [0.01, 0.01, None]
    assert statuses(document) == {("florg", 1): "finished", ("ffa-lora", 1): "finished", ("fedprox", 1): "failed"}
    assert document["cells"][2]["reason"] == "every point of [tune.grid] failed: RuntimeError: no luck"
    assert json.loads((tmp_path / disk.TUNED).read_text()) == document["tuned"]
    points = document["tuned"]["all"]["florg"]["points"]
    assert [(point["settings"]["train.learning-rate"], point["score"]) for point in points] == [
        (0.01, pytest.approx(0.99)),
        (0.1, pytest.approx(0.9)),
    ]


def test_a_tuned_comparison_goes_on_without_tuning_again(tmp_path):
    run(tmp_path, compare_runs.tuned_run, methods=["florg"], tune=TUNE, seeds=[1])
    document = run(tmp_path, compare_runs.tuned_run, methods=["florg"], tune=TUNE, seeds=[1, 2])
    assert compare_runs.begun(tmp_path)[-2:] == ["florg 1", "florg 2"]
    assert len(document["cells"]) == 2


def test_finished_cells_count_once_a_longer_grid_has_left_their_point_the_best(tmp_path, capsys):
    run(tmp_path, compare_runs.tuned_run, methods=["florg", "fedprox"], tune=TUNE, seeds=[1])
    longer = {**TUNE, "grid": {"train.learning-rate": [0.1, 0.01, 0.2]}}
    found = standing(tmp_path, methods=["florg", "fedprox"], tune=longer, seeds=[1])
    runner.run_matrix(found, runner.RunOptions(tmp_path), compare_runs.tuned_run)
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == "m: 14 cells, 5 done, 4 failed, 5 to run"
    assert last == "tuned: 13 cells, 7 done, 6 failed, 0 to run"


def test_points_may_be_chosen_by_another_score_than_the_reported_one(tmp_path):
    tune_by_loss = {**TUNE, "metric": "loss"}
    document = run(tmp_path, compare_runs.tuned_run, methods=["florg"], tune=tune_by_loss, seeds=[1])
    assert document["tuned-by"] == "loss"
    assert [cell["settings"]["train.learning-rate"] for cell in document["cells"]] == [0.1]


def test_one_variant_may_be_tuned_for_all(tmp_path):
    variants = [{"name": "small", "adapter.rank": 2}, {"name": "large", "adapter.rank": 8}]
    tune_small = {**TUNE, "variant": "small"}
    document = run(tmp_path, compare_runs.tuned_run, methods=["florg"], tune=tune_small, seeds=[1], variant=variants)
    assert len(compare_runs.begun(tmp_path)) == 2 * 2 + 2
    assert list(document["tuned"]) == ["small"]
    assert [cell["settings"]["train.learning-rate"] for cell in document["cells"]] == [0.01, 0.01]
