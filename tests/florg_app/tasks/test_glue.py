"""GLUE's own measures: what each task reports, on answers counted by hand."""

import math

import pytest
import torch
from scipy.stats import spearmanr

from florg_app.config.parse import parse_settings
from florg_app.data.partition import partition_rows
from florg_app.tasks.registry import make_task
from florg_app.tasks.text import glue
from florg_app.tasks.text.labelled_text import LabelledText
from tests.support.local_data import cells_of, local_task, write

MEASURES = {
    "cola": {"matthews", "accuracy"},
    "sst2": {"accuracy"},
    "mrpc": {"accuracy", "f1"},
    "qqp": {"accuracy", "f1"},
    "stsb": {"pearson", "spearman"},
    "mnli": {"accuracy"},
    "qnli": {"accuracy"},
    "rte": {"accuracy"},
    "wnli": {"accuracy"},
}
SCORES = {
    "sentence1": ["a", "b", "c", "d", "e"],
    "sentence2": ["f", "g", "h", "i", "j"],
    "label": [0.0, 1.5, 3.25, 5.0, 3.75],
}


def task_of(name: str) -> LabelledText:
    task = make_task(parse_settings({"task.name": f"glue/{name}"}))
    assert isinstance(task, LabelledText)
    return task


@pytest.mark.parametrize("name", glue.GLUE_TASKS)
def test_every_task_reports_the_measures_of_the_benchmark_and_its_loss(name):
    task = task_of(name)
    logits = torch.eye(task.head.num_labels or 0)[[0, -1]]
    assert task.score(list(logits), [{"labels": 0}, {"labels": 1}]).keys() == MEASURES[name] | {"loss"}


def test_acceptability_is_scored_by_the_correlation_of_matthews():
    labels, chosen = [1, 1, 1, 0, 0, 1], [1, 1, 0, 0, 1, 1]  # 3 true and 1 false positive, 1 true and 1 false negative
    logits = torch.eye(2)[chosen]
    scores = task_of("cola").score(list(logits), [{"labels": label} for label in labels])
    assert scores["matthews"] == pytest.approx((3 * 1 - 1 * 1) / math.sqrt(4 * 4 * 2 * 2))


def test_similarity_is_a_regression_scored_by_correlation(tmp_path):
    write(tmp_path / "validation.tsv", SCORES)
    task = local_task(tmp_path, "glue/stsb")
    assert (task.head.num_labels, task.head.problem_type, task.label_names) == (1, "regression", ())
    labels = task.rows("validation")["label"][:]
    assert labels == SCORES["label"]
    predicted = torch.tensor([[0.5], [2.5], [2.0], [4.0], [4.5]])
    scores = task.score(list(predicted), [{"labels": label} for label in labels])
    deviations = [predicted[:, 0] - predicted.mean(), torch.tensor(labels) - sum(labels) / 5]
    products = [(deviations[i] * deviations[j]).sum().item() for i, j in ((0, 1), (0, 0), (1, 1))]
    assert scores["pearson"] == pytest.approx(products[0] / math.sqrt(products[1] * products[2]))
    assert scores["spearman"] == pytest.approx(spearmanr(predicted[:, 0], labels).statistic)
    assert scores["loss"] == pytest.approx(((predicted[:, 0] - torch.tensor(labels)) ** 2).mean().item())


def test_answers_that_are_all_alike_correlate_with_nothing():
    scores = task_of("stsb").score(list(torch.ones(3, 1)), [{"labels": label} for label in (0.0, 1.0, 2.0)])
    assert (scores["pearson"], scores["spearman"]) == (0.0, 0.0)


def test_rows_with_scores_are_divided_by_the_integer_part(tmp_path):
    many = {name: column * 40 for name, column in SCORES.items()}
    write(tmp_path / "train.parquet", many)
    task = local_task(tmp_path, "glue/stsb")
    rows = task.rows("train")
    assert rows[task.partition_column][:5] == [0, 1, 3, 5, 3]
    parts = partition_rows(rows, task.partition_column, parse_settings({"partition.alpha": 0.1}).partition, 3, seed=1)
    assert sum(map(len, parts)) == 200
    assert len({tuple(sorted(set(rows.select(part)["score"]))) for part in parts}) > 1


@pytest.mark.parametrize("score", ["high", None, float("nan"), True])
def test_a_score_that_is_no_number_is_refused(score, tmp_path):
    write(tmp_path / "train.jsonl", {**SCORES, "label": [1.0, score, 2.0, 3.0, 4.0]})
    with pytest.raises(ValueError, match=r"row 2: label = .* is not a number"):
        local_task(tmp_path, "glue/stsb").rows("train")


def test_matched_and_mismatched_rows_are_scored_apart(tmp_path):
    pair = {"premise": ["a", "b"], "hypothesis": ["c", "d"]}
    write(tmp_path / "validation_matched.csv", {**pair, "label": [0, 1]})
    write(tmp_path / "validation_mismatched.csv", {**pair, "label": [2, 2]})
    task = local_task(tmp_path, "glue/mnli")
    rows = task.rows("validation")
    features = [{"labels": row["label"], "subset": row["subset"]} for row in rows]
    logits = torch.eye(3)[[0, 0, 2, 2]]
    scores = task.score(list(logits), features)
    assert scores == pytest.approx({"accuracy": 0.5, "accuracy-mismatched": 1.0, "loss": scores["loss"]})
    assert scores["loss"] == task.score(list(logits[:2]), features[:2])["loss"]


def test_without_a_mismatched_file_only_the_matched_rows_are_scored(tmp_path):
    write(tmp_path / "dev_matched.csv", {"premise": ["a"], "hypothesis": ["c"], "label": [0]})
    rows = local_task(tmp_path, "glue/mnli").rows("validation")
    assert list(cells_of(rows)) == ["premise", "hypothesis", "label"]


def test_each_part_of_the_validation_rows_is_sampled(tmp_path):
    numbers = [str(number) for number in range(50)]
    for name in ("matched", "mismatched"):
        write(tmp_path / f"dev_{name}.csv", {"premise": numbers, "hypothesis": numbers, "label": [0] * 50})
    rows = local_task(tmp_path, "glue/mnli", **{"task.max-validation-rows": 7}).rows("validation")
    assert rows["subset"][:] == [0] * 7 + [1] * 7
