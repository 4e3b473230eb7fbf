"""The GLUE and SQuAD files that the project was developed with, where they are: as their authors count them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pyarrow import parquet
from transformers import AutoTokenizer

from florg_app.config.parse import parse_settings
from florg_app.tasks.base import Task
from florg_app.tasks.registry import make_task
from florg_app.tasks.squad.score import normalise, squad_scores
from florg_app.tasks.text import glue
from tests.support.repository import SHARED

COUNTS = {
    "mrpc": ([1194, 2474], [129, 279]),
    "qqp": ([25355, 16698], [25545, 14885]),
    "mnli": ([8332, 8197, 8208], [3479, 3123, 3213]),
    "qnli": ([9460, 9409], [2702, 2761]),
    "wnli": ([323, 312], [40, 31]),
    "rte": ([1249, 1241], [146, 131]),
    "sst2": ([29780, 37569], [428, 444]),
}
"""Rows of each class in the training and the validation file; mnli, qnli and qqp are subsets of the training rows."""


def glue_task(name: str) -> tuple[Path, Task]:
    folder = SHARED / "data" / name
    if not folder.is_dir():
        pytest.skip(f"needs the GLUE files in {folder} (FLORG_SHARED names another place)")
    return folder, make_task(parse_settings({"task.name": f"glue/{name}", "task.path": str(folder)}))


@pytest.mark.parametrize("name", glue.GLUE_TASKS)
def test_rows_and_labels_of_the_glue_files(name):
    folder, task = glue_task(name)
    counts = tuple(np.bincount(task.rows(split)["label"][:]).tolist() for split in ("train", "validation"))
    assert counts == COUNTS[name]
    for file in folder.glob("*.parquet"):
        if hub := (parquet.read_schema(file).metadata or {}).get(b"huggingface"):
            assert tuple(json.loads(hub)["info"]["features"]["label"]["names"]) == task.label_names


def test_the_first_row_of_wnli_is_an_entailment_to_a_reader_too():
    """WNLI numbers its classes the other way round than RTE and QNLI, and its files do not name them."""
    _, task = glue_task("wnli")
    row = task.rows("train")[0]
    assert row["sentence1"] == "I stuck a pin through a carrot. When I pulled the pin out, it had a hole."
    assert row["sentence2"] == "The carrot had a hole."
    assert task.label_names[row["label"]] == "entailment"


def test_squad_has_its_published_counts_and_its_own_answers_score_100():
    folder = SHARED / "data" / "squad"
    if not folder.is_dir():
        pytest.skip(f"needs the SQuAD files in {folder} (FLORG_SHARED names another place)")
    task = make_task(parse_settings({"task.name": "squad", "task.path": str(folder)}))
    assert len(task.rows("train")) == 11877
    answers = task.rows("validation")["answers"][:]
    assert len(answers) == 10570
    references = [answer["text"] for answer in answers]
    # Of one question's references one is an article alone, which the official script scores with an F1 of 0.
    perfect = squad_scores([max(known, key=lambda answer: len(normalise(answer))) for known in references], references)
    assert perfect == {"exact-match": 100.0, "f1": 100.0}


def test_every_answer_of_squad_lies_whole_in_a_window_from_which_its_text_comes_back():
    folder, model = SHARED / "data" / "squad", SHARED / "models" / "all-minilm-l6-v2"
    if not (folder.is_dir() and model.is_dir()):
        pytest.skip(f"needs {folder} and {model} (FLORG_SHARED names another place)")
    task = make_task(parse_settings({"task.name": "squad", "task.path": str(folder), "task.stride": 64}))
    rows = task.rows("validation").select(range(0, 10570, 50))
    features = task.features(rows, AutoTokenizer.from_pretrained(model), 256)
    predictions = [torch.zeros(len(window["input_ids"]), 2) for window in features]
    for window, logits in zip(features, predictions, strict=True):
        logits[window["start_positions"], 0] = logits[window["end_positions"], 1] = 9.0
    assert {window["row"] for window in features if window["end_positions"]} == set(range(len(rows)))
    assert task.score(predictions, features)["exact-match"] > 98  # some answers end within a token
