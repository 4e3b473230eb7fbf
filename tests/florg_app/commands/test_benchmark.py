"""lm-eval asks a model of ours, from a run or an exported folder, and its numbers are those of the model's logits."""

import json

import pytest
import torch
from typer.testing import CliRunner

from florg_app.checkpoints.load_run import load_run
from florg_app.cli.main import app
from florg_app.commands import benchmark
from florg_app.commands.benchmark import BenchmarkScore, scores_listed
from florg_app.exports.export import export_run
from tests.support.finished_runs import CPU, finished, saved
from tests.support.instructions import dolly, model_folder

ROWS = [("Name a colour.", "Red.", "Seven."), ("Say hi.", "Hi!", "Bye bye."), ("Add.", "3", "x")]

TASK = """\
task: two_answers
dataset_path: json
dataset_kwargs:
  data_files:
    test: {rows}
output_type: multiple_choice
test_split: test
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{[right, wrong]}}}}"
doc_to_target: 0
target_delimiter: " "
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
"""


@pytest.fixture(scope="module")
def speaking(tmp_path_factory):
    """A run of a language model with its merged folder, and a folder of one task of lm-eval on local rows."""
    folder = tmp_path_factory.mktemp("speaking")
    (folder / "data").mkdir()
    (folder / "tasks").mkdir()
    dolly(folder / "data")
    model = str(model_folder(folder / "model", "llama"))
    run, _ = saved(folder, {"task.name": "dolly", "task.path": str(folder / "data"), "model.name": model})
    export_run(run, None, True, CPU, print)
    rows = folder / "rows.jsonl"
    lines = [json.dumps(dict(zip(("question", "right", "wrong"), row, strict=True))) for row in ROWS]
    rows.write_text("\n".join(lines) + "\n")
    (folder / "tasks/two_answers.yaml").write_text(TASK.format(rows=rows))
    return run, folder / "tasks"


@torch.inference_mode()
def likelihood(model, tokenizer, question, answer):
    """log P(answer | question), summed over the tokens of the answer behind a space."""
    prompt = tokenizer(question, add_special_tokens=False)["input_ids"]
    whole = tokenizer(f"{question} {answer}", add_special_tokens=False)["input_ids"]
    logs = model(input_ids=torch.tensor([whole])).logits[0].log_softmax(-1)
    return sum(logs[place - 1, whole[place]].item() for place in range(len(prompt), len(whole)))


@pytest.mark.parametrize("place", ["", "merged"])
def test_the_accuracy_is_that_of_the_models_own_likelihoods(place, speaking, tmp_path):
    pytest.importorskip("lm_eval", reason="the extra `benchmark` is not installed")
    run, tasks = speaking
    parts = load_run(run, CPU).assembly
    right = [
        likelihood(parts.adapted.model, parts.preprocessor, q, good)
        > likelihood(parts.adapted.model, parts.preprocessor, q, bad)
        for q, good, bad in ROWS
    ]
    output = tmp_path / "scores.json"
    words = ["benchmark", str(run / place), "--tasks", "two_answers", "--include", str(tasks), "--output", str(output)]
    result = CliRunner().invoke(app, [*words, "--device", "cpu"])
    assert result.exit_code == 0, result.output
    values = json.loads(output.read_text())["results"]["two_answers"]
    assert values["acc,none"] == pytest.approx(sum(right) / len(right))
    assert "two_answers" in result.stdout
    assert f"{sum(right) / len(right):.4f}" in result.stdout
    again = CliRunner().invoke(app, words)
    assert (again.exit_code, "is there already" in again.stderr) == (2, True)


def test_a_task_that_there_is_not_and_a_model_that_does_not_write_are_refused(speaking, tmp_path):
    pytest.importorskip("lm_eval", reason="the extra `benchmark` is not installed")
    run, tasks = speaking
    unknown = CliRunner().invoke(app, ["benchmark", str(run), "--tasks", "no_such_task"])
    assert (unknown.exit_code, "--tasks no_such_task: lm-eval has no such task" in unknown.stderr) == (2, True)
    classifier, _ = finished(tmp_path)
    words = ["benchmark", str(classifier), "--tasks", "two_answers", "--include", str(tasks)]
    refused = CliRunner().invoke(app, words)
    assert (refused.exit_code, "score it with `florg evaluate`" in refused.stderr) == (2, True)


def test_without_lm_eval_the_remedy_is_said_before_a_model_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "find_spec", lambda name: None)
    result = CliRunner().invoke(app, ["benchmark", str(tmp_path), "--tasks", "hellaswag"])
    assert (result.exit_code, "pip install '.[benchmark]'" in result.stderr) == (2, True)
    nowhere = CliRunner().invoke(app, ["benchmark", str(tmp_path), "--tasks", "x", "--include", str(tmp_path / "no")])
    assert (nowhere.exit_code, "it is no folder" in nowhere.stderr) == (2, True)


def test_the_numbers_of_a_document_are_listed_with_their_errors_and_filters():
    results = {
        "a": {"alias": "a", "acc,none": 0.5, "acc_stderr,none": 0.1, "sample_len": 3},
        "b": {"exact_match,strict": 1.0, "exact_match_stderr,strict": "N/A"},
    }
    assert scores_listed(results) == [
        BenchmarkScore("a", "acc", 0.5, 0.1),
        BenchmarkScore("b", "exact_match,strict", 1.0, None),
    ]
