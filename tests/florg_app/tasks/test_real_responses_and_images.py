"""The instructions and images that the project was developed with, where they are: rows as their authors count them."""

import numpy as np
import pytest

from florg_app.config.parse import parse_settings
from florg_app.tasks.base import Task
from florg_app.tasks.registry import make_task
from tests.support.pictures import PROCESSOR
from tests.support.repository import SHARED


def real_task(name: str) -> Task:
    folder = SHARED / "data" / name.replace("-", "_")
    if not folder.is_dir():
        pytest.skip(f"needs the files in {folder} (FLORG_SHARED names another place)")
    return make_task(parse_settings({"task.name": name, "task.path": str(folder)}))


@pytest.mark.parametrize(("name", "sizes", "kinds"), [("dolly", (14260, 751), 8), ("medquad", (15587, 820), 16)])
def test_rows_of_the_files_of_instructions(name, sizes, kinds):
    task = real_task(name)
    train, validation = task.rows("train"), task.rows("validation")
    assert (len(train), len(validation)) == sizes
    assert len(set(train[str(task.partition_column)][:])) == kinds
    assert {turns[-1]["role"] for turns in validation["turns"]} == {"assistant"}


def test_rows_of_the_brain_images():
    task = real_task("brain-mri")
    assert np.bincount(task.rows("train")["label"][:]).tolist() == [457, 505, 494, 544]
    rows = task.rows("validation")
    assert len(rows) == 600
    features = task.features(rows, PROCESSOR, 1)
    batch = task.collate(PROCESSOR)([features[0], features[599]])
    assert batch["pixel_values"].shape == (2, 3, 12, 16)
