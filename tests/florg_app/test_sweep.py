"""Every architecture on its tasks: it learns, and leaves as an adapter and merged, with the logits of the run.

`make families` runs these alone.
"""

import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from clients.batches import to_device
from clients.optimizers import optimizer_for
from clients.train_settings import TrainOptions
from clients.trainer import local_train
from clients.trial import called_with
from florg_app.assembly import Assembly, assemble
from florg_app.config.parse import parse_settings
from florg_app.exports.probe import probe
from strategies.state import State
from tests.support.architectures import SWEPT, Swept
from tests.support.finished_runs import CPU, said_by_export, save_run
from tests.support.local_data import write
from tests.support.pictures import write_folders

pytestmark = pytest.mark.families

CASES = [pytest.param(swept, task, id=f"{swept.family}-{task}") for swept in SWEPT for task in swept.tasks]

SETTINGS: Mapping[str, Mapping[str, Any]] = {"squad": {"task.stride": 8}}
STEPS = 16


def sentences(count: int) -> list[tuple[str, str]]:
    """(text, class) that any model can learn."""
    draw, words = random.Random(0), {"pos": ["good", "fun", "fine"], "neg": ["bad", "dull", "not"]}
    kinds = ["neg", "pos"] * (count // 2)
    return [(f"the film was {draw.choice(words[kind])} very {draw.choice(words[kind])}", kind) for kind in kinds]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder of rows for each task, 24 for training and 24 for validation."""
    folder, rows = tmp_path_factory.mktemp("data"), sentences(24)
    texts, kinds = [text for text, _ in rows], [kind for _, kind in rows]
    words = [text.split()[3] for text in texts]
    answers = [{"text": [word], "answer_start": [text.index(word)]} for word, text in zip(words, texts, strict=True)]
    said = [f"yes {'good' if kind == 'pos' else 'bad'}" for kind in kinds]
    tables = {
        "text": {"text": texts, "label": kinds},
        "text-pair": {"text1": texts, "text2": ["a film"] * 24, "label": kinds},
        "squad": {"question": ["how was the film"] * 24, "context": texts, "answers": answers},
        "instruct": {"instruction": texts, "output": said},
    }
    for task, table in tables.items():
        (folder / task).mkdir()
        for split in ("train", "validation"):
            write(folder / task / f"{split}.{'parquet' if task == 'squad' else 'jsonl'}", table)
    for split in ("train", "validation"):
        write_folders(folder / "images" / split, 8)
    return folder


def inputs_of(assembly: Assembly) -> Mapping[str, Any]:
    """What the task calls its model with for eight rows of the data."""
    features = assembly.data.client(0, 1).train
    batch = to_device(assembly.collate([features[row] for row in range(8)]), CPU)
    with called_with(assembly.adapted.model) as calls, torch.inference_mode():
        assembly.task.loss(assembly.adapted.model, batch)
    return calls[0]


def loaded(card: Path) -> Any:
    """The model that the code of a model card gives where it lies."""
    code = card.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    here = code.replace('"."', f'"{card.parent}"').replace('"./base"', f'"{card.parent}/base"')
    names: dict[str, Any] = {}
    exec(here, names)
    return names["model"]


@pytest.mark.parametrize(("swept", "task"), CASES)
def test_an_architecture_learns_its_tasks_and_leaves_whole(swept: Swept, task: str, data: Path, tmp_path: Path):
    keys = {"task.name": task, "task.path": str(data / task), "model.name": str(swept.save(tmp_path / "model"))}
    keys |= {"strategy.florg.zero-start": True, "adapter.rank": 3, "partition.name": "iid", "task.cache": "off"}
    settings = parse_settings({**keys, **SETTINGS.get(task, {})})
    assembly = assemble(settings, CPU)
    assembly.load(assembly.initial_state, 1)
    how = TrainOptions(learning_rate=0.01, head_learning_rate=0.01, max_steps=STEPS, batch_size=24)
    optimizer = optimizer_for(assembly.adapted, how, None)
    rows = assembly.data.client(0, 1).train
    report = local_train(
        assembly.adapted,
        rows,
        how,
        collate=assembly.collate,
        loss_fn=assembly.task.loss,
        seed=1,
        optimizer=optimizer,
    )
    assert report.loss_last < 0.95 * report.loss_first
    assert moved(assembly) == {group.name for group in assembly.manifest.groups}
    inputs = inputs_of(assembly)
    ours = probe(assembly.adapted.model, inputs)
    save_run(tmp_path / "run", settings, assembly, trained_state(assembly), 1)
    for merged in (False, True):
        said = said_by_export(tmp_path / "run", merged=merged)
        assert re.search(r"reloaded, its logits .* differ from the run's by at most", said)
        model = loaded(tmp_path / "run" / ("merged" if merged else "adapter") / "README.md")
        if classes := assembly.task.label_names:
            assert model.config.id2label == dict(enumerate(classes))
            assert model.config.label2id == {name: number for number, name in enumerate(classes)}
        theirs = probe(model, inputs)
        assert (theirs - ours).abs().max() <= 1e-4 * max(1.0, ours.abs().max().item())


def trained_state(assembly: Assembly) -> State:
    """What the server would hold of the only client."""
    plan = assembly.manifest.plan
    return assembly.adapted.read(*plan.roles.values(), plan.head).select(assembly.manifest.held)


def moved(assembly: Assembly) -> set[str]:
    """The groups all of whose layers were changed by the training: none lies where no input passes."""
    now, before = trained_state(assembly), assembly.initial_state
    return {
        group.name
        for group in assembly.manifest.groups
        if all(
            (now[group.name]["A"][layer] != before[group.name]["A"][layer]).any() for layer in range(len(group.layers))
        )
    }
