"""The matrices of conf/ load, all of their cells can be run, and one of each is."""

import pytest

from florg_app.compare.matrix import cells, reading
from florg_app.compare.run import worker
from florg_app.config.runconfig import find_app
from florg_app.tasks.registry import TASKS
from florg_app.tasks.text.glue import GLUE_TASKS
from tests.support.local_data import write
from tests.support.repository import REPOSITORY

CONF = REPOSITORY / "conf"
FILES = sorted([*(CONF / "paper").glob("*.toml"), *(CONF / "compare").glob("*.toml")])
QUICK = (
    *("model.name=tiny", "adapter.targets=query", "num-server-rounds=1", "train.max-steps=1", "train.batch-size=2"),
    "task.max-train-rows=60",
)
EMBEDDED = (
    "task.name=tiny",
    "task.max-train-rows=400",
    "task.max-length=128",
    "task.max-new-tokens=128",
    "task.validation-share=0.05",
    "evaluate.generate-rows=0",
)
"""In place of tasks that need a model of another kind: lengths that the embedded one has, and what it does not read."""


def planner(file, *assignments):
    found = reading.read_matrix(file)
    return cells.Planner(found, cells.gather_layers(find_app(CONF), file, found, [], list(assignments)))


def task_names(file):
    made = planner(file)
    return {
        str(made.reported(variant, made.matrix.methods[0], 1, {}).config["task.name"])
        for variant in made.matrix.variant
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_cell_of_a_matrix_has_usable_settings(file):
    assert planner(file).problems() == []


def test_the_tasks_of_all_matrices_are_there():
    assert set().union(*map(task_names, FILES)) <= set(TASKS)


def test_every_table_has_its_axes():
    sizes = {file.stem: len(list(planner(file).pairs())) for file in FILES if file.parent.name == "paper"}
    assert sizes == {
        "fedftg-table-text": 2 * 2 * 2 * 3,
        "fedftg-table-vision": 3 * 3,
        "florg-table-1": 3 * 6 * 6,
        "florg-table-3": 2 * 6 * 2,
        "florg-tables-4-11": 3 * 6 * 6,
        "florg-tables-5-12": 3 * 6 * 6,
        "florg-table-6": 6 * 3,
        "florg-table-7": 3 * 2 * 6,
        "florg-table-9": 3 * 6,
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder for each GLUE task with classes, with a few rows."""
    folder = tmp_path_factory.mktemp("data")
    for name, task in GLUE_TASKS.items():
        if not task.label_names:
            continue
        (folder / name).mkdir()
        texts = {column: [f"{column} {number}" for number in range(60)] for column in task.text_columns}
        rows = {**texts, "label": [number % len(task.label_names) for number in range(60)]}
        for split in ("train", "validation"):
            write(folder / name / f"{split}.jsonl", rows)
    return folder


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_cell_of_every_matrix_runs(file, data, tmp_path):
    (name, *_) = sorted(task_names(file))
    task = (f"task.path={data}/{{task}}",) if name.startswith("glue/") else EMBEDDED
    made = planner(file, *QUICK, *task, "task.max-validation-rows=4", "partition.min-size=2")
    few = cells.Planner(made.matrix.model_copy(update={"clients": 2}), made.layers)
    cell = few.reported(few.matrix.variant[-1], few.matrix.methods[0], 1, few.points()[-1])
    folder = tmp_path / cell.folder
    assert (
        worker.run_cell(worker.CellJob(find_app(CONF), cell.config, folder, "inline", cell.clients, 1, 0.0, "one"))
        == ""
    )
    assert (folder / "summary.json").exists()
