"""Do task, tokenizer, settings and model go together? Tried on rows of made-up content before any round."""

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from clients.batches import Batch, to_device
from clients.limits import Limits, check_length, check_vocabulary, highest_token, image_mismatch
from clients.lookups import BeyondTableError
from clients.trial import Trial, positions, trained_length, tried
from florg_app.config.parse import ConfigError
from florg_app.config.settings import Settings
from florg_app.data.row_limits import RowLimits
from florg_app.tasks.base import Preprocessor, Task
from florg_app.tasks.specimens import specimen_texts

UNCUT = 100_000
"""Tokens that no row of made-up content has."""


@dataclass(frozen=True)
class Fit:
    """What a model did with the inputs of a task."""

    trial: Trial
    limits: Limits
    notes: tuple[str, ...]


def specimen_batch(task: Task, preprocessor: Preprocessor) -> Batch:
    """Rows of made-up content as the task makes its own into a batch."""
    features = task.features(task.specimens(preprocessor), preprocessor, UNCUT)
    return task.collate(preprocessor)([features[row] for row in range(len(features))])


def fit(task: Task, preprocessor: Preprocessor, model: PreTrainedModel, settings: Settings) -> Fit:
    """Try the model on rows of made-up content; nothing of it changes.

    Raises ValueError naming the key where the model cannot take what tokenizer, image processor and settings make.
    """
    name, max_length = f"model.name = {settings.model.name!r}", settings.task.max_length
    task.check_preprocessor(preprocessor, max_length)
    if isinstance(preprocessor, PreTrainedTokenizerBase):
        _check_words(preprocessor, name)
    batch = _batch(task, preprocessor, name)
    try:
        on_device = to_device(batch, model.device)
        trial = tried(model, lambda: task.loss(model, on_device))
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise ValueError(_in_words(name, task, model, batch, error)) from error
    wanted = task.longest(max_length)
    limits = Limits(trial.tables.get("input_ids"), positions(model, trial.inputs, wanted))
    if isinstance(preprocessor, PreTrainedTokenizerBase):
        check_vocabulary(limits, preprocessor)
    check_length(limits, max_length)
    return Fit(trial, limits, _notes(model, limits, max_length) if "input_ids" in trial.inputs else ())


def row_limits(task: Task, preprocessor: Preprocessor, limits: Limits) -> RowLimits:
    """What rows are held against: only where the tokenizer could go beyond, since looking takes time."""
    if not isinstance(preprocessor, PreTrainedTokenizerBase):
        return RowLimits()
    beyond = limits.tokens is not None and highest_token(preprocessor) >= limits.tokens
    return RowLimits(limits.positions, limits.tokens if beyond else None, task.reach)


def _batch(task: Task, preprocessor: Preprocessor, name: str) -> Batch:
    try:
        return specimen_batch(task, preprocessor)
    except ConfigError:
        raise
    except Exception as error:
        what = "tokenizer" if isinstance(preprocessor, PreTrainedTokenizerBase) else "image processor"
        raise ValueError(
            f"{name}: its {what} ({type(preprocessor).__name__}) makes no batches of what the task has "
            f"({type(error).__name__}: {error}); correct its files, or use another model"
        ) from error


def _check_words(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    """Raise ValueError where words of the tokenizer's own vocabulary all become one token, or what is unknown.

    transformers takes the class that the model's family has, whatever class the files were saved by.
    """
    texts = specimen_texts(tokenizer, "words")
    tokens = {token for ids in tokenizer(texts, add_special_tokens=False)["input_ids"] for token in ids}
    if len(tokens - set(tokenizer.all_special_ids)) < 2:
        raise ValueError(
            f"{name}: its tokenizer, read as {type(tokenizer).__name__}, makes the same token of all words; its files "
            "are of another kind of tokenizer than the model's family has: use those that the model was trained with"
        )


def _in_words(name: str, task: Task, model: PreTrainedModel, batch: Batch, error: Exception) -> str:
    """Why the model could not be called, by comparing what it got with what it has."""
    if isinstance(error, BeyondTableError):
        for key, what in (("input_ids", "tokens"), ("token_type_ids", "token types")):
            given = batch.get(key)
            if given is not None and torch.equal(given.flatten(), error.indices.cpu().flatten()):
                return (
                    f"{name}: its tokenizer gives {what} up to number {int(given.max())}, but the model has embeddings "
                    f"of {error.size}; use the tokenizer that it was trained with"
                )
    if "pixel_values" in batch and (differs := image_mismatch(model.config, batch["pixel_values"].shape[1:])):
        return f"{name}: {differs} ({type(error).__name__}: {error})"
    declared, length = trained_length(model.config), batch["input_ids"].shape[1] if "input_ids" in batch else 0
    if declared is not None and declared < length:
        return f"{name}: its {declared} positions are too few for texts of {length} tokens; use a model for longer ones"
    return (
        f"{name}: {type(model).__name__} cannot be called with what task.name needs, {', '.join(batch)} "
        f"({type(error).__name__}: {error}); use another model"
    )


def _notes(model: PreTrainedModel, limits: Limits, max_length: int) -> tuple[str, ...]:
    """Texts beyond what a model was trained on raise nothing where its positions are relative."""
    trained = trained_length(model.config)
    if limits.positions is not None or trained is None or trained >= max_length:
        return ()
    return (
        f"task.max-length = {max_length}: the model takes such texts, but its configuration names {trained} tokens; "
        "what it was not trained on it may not understand",
    )
