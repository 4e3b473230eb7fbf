"""The GLUE files that the project was developed with, where they are: rows and labels as their authors count them."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from florg_app.config import parse
from florg_app.tasks import glue
from florg_app.tasks.base import Task
from florg_app.tasks.registry import make_task

SHARED = Path(os.environ.get("FLORG_SHARED", Path(__file__).parents[2] / "shared")) / "data"

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
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs the GLUE files in {folder} (FLORG_SHARED names another place)")
    return folder, make_task(parse({"task.name": f"glue/{name}", "task.path": str(folder)}))


@pytest.mark.parametrize("name", glue.TABLE)
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
