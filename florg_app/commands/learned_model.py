"""A model that was fine-tuned here, ready to be asked: from a run's folder or from an exported one."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel

from clients.adapter_folder import ADAPTER_CONFIG
from clients.predict import predict
from clients.trial import positions
from florg_app.checkpoints.checkpoint_file import CHECKPOINT_FILE
from florg_app.checkpoints.load_run import load_run
from florg_app.config.settings import Settings
from florg_app.data.row_limits import RowLimits
from florg_app.exports.exported_settings import EXPORT_SETTINGS, read_export_settings
from florg_app.exports.probe import probe_inputs
from florg_app.pretrained import load_pretrained
from florg_app.tasks.base import ROW, Preprocessor, Task
from florg_app.tasks.registry import make_task


@dataclass(frozen=True)
class LearnedModel:
    """A model, and how its task asks it."""

    settings: Settings
    task: Task
    preprocessor: Preprocessor
    model: PreTrainedModel
    notes: tuple[str, ...] = ()
    """What a user should know of it, a sentence each."""


def load_learned(folder: Path, device: torch.device, best: bool = False) -> LearnedModel:
    """The model of a run's newest or best checkpoint, or of a folder that `florg export` or `florg merge` wrote.

    Raises ValueError where the folder is neither, or its model cannot be loaded.
    """
    if (folder / CHECKPOINT_FILE).is_file():
        run = load_run(folder, device, best)
        parts = run.assembly
        return LearnedModel(run.settings, parts.task, parts.preprocessor, parts.adapted.model, run.notes)
    if not (folder / EXPORT_SETTINGS).is_file():
        raise ValueError(
            f"{folder} holds neither {CHECKPOINT_FILE}, as the folder of a run does, nor {EXPORT_SETTINGS}, as one "
            "of `florg export` does; give one of these"
        )
    if best:
        raise ValueError(f"{folder} is an exported folder, of one round; leave out --best, or give the run's folder")
    return _exported(folder, device)


def _exported(folder: Path, device: torch.device) -> LearnedModel:
    from peft import PeftModel

    settings = read_export_settings(folder)
    task, is_adapter = make_task(settings), (folder / ADAPTER_CONFIG).is_file()
    source = _base_of(folder) if is_adapter else str(folder)
    found = load_pretrained(settings.model.model_copy(update={"name": source}), task.head, settings.seed, device)
    model = found.model
    if is_adapter:
        try:
            model = PeftModel.from_pretrained(model, str(folder)).get_base_model()
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise ValueError(f"{folder}: its adapter does not go onto {source}: {error}") from error
    return LearnedModel(settings, task, found.preprocessor, model.eval(), found.notes)  # pyright: ignore[reportArgumentType]


def _base_of(folder: Path) -> str:
    """The model below an adapter: beside it, where the export has written it there."""
    beside = folder / "base"
    if beside.is_dir():
        return str(beside)
    try:
        return str(json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))["base_model_name_or_path"])
    except (OSError, ValueError, LookupError) as error:
        raise ValueError(f"{folder / ADAPTER_CONFIG} cannot be read: {error}") from error


def positions_of(learned: LearnedModel, task: Task) -> int | None:
    """The most tokens that the model takes, response included, below what the task may need; None: as many as that."""
    model, wanted = learned.model, task.longest(learned.settings.task.max_length)
    return positions(model, probe_inputs(task, learned.preprocessor, model, model.device), wanted)


def answers_to(learned: LearnedModel, rows: list[dict], max_new_tokens: int | None = None) -> list[dict]:
    """What the model says of each row, in order.

    rows: columns by name, those of `Task.asked_columns` at least.

    Raises ValueError naming the row that cannot be asked, before the model is.
    """
    settings, preprocessor, model = learned.settings, learned.preprocessor, learned.model
    task = learned.task.writing(max_new_tokens)
    asked = task.unanswered(rows)
    features = task.features(asked, preprocessor, settings.task.max_length)
    limits = RowLimits(positions_of(learned, task), reach=task.reach)
    for example in features if isinstance(features, list) else ():
        if problem := limits.problem(example):
            raise ValueError(f"row {example[ROW] + 1}: {problem}")
    collate, size = task.collate(preprocessor), settings.evaluate.batch_size
    predictions = predict(model, features, collate, task.predict, size, model.device, settings.train.precision)
    return task.answers(predictions, features)
