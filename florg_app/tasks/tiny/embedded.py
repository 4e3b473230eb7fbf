"""The embedded data set and its pretrained encoder: nothing is downloaded."""

import base64
import json
from functools import lru_cache
from pathlib import Path
from typing import Literal

from datasets import ClassLabel, Dataset, Features, Value
from safetensors.torch import load
from transformers import BertConfig, PreTrainedModel, PreTrainedTokenizerFast

from clients.architectures import Head
from clients.targets import find_head
from florg_app.tasks.tiny.grammar import LABELS
from florg_app.tasks.tiny.grammar import rows as draw
from strategies.rng import generator

MODEL = Path(__file__).parent / "model"
WEIGHTS = "weights.json"

ARCHITECTURES = ("sequence-classification", "question-answering")
"""What the encoder can be given a head for."""

DATA_SEED = 2026
SIZES = {"train": 3200, "validation": 800}
"""Rows of each split."""


def rows(split: Literal["train", "validation"]) -> Dataset:
    """The rows of a split, always the same; the validation rows are none of the training rows."""
    features = Features(
        {"sentence1": Value("string"), "sentence2": Value("string"), "label": ClassLabel(names=list(LABELS))}
    )
    drawn = _splits()[split]
    return Dataset.from_dict(
        {name: list(column) for name, column in zip(features, zip(*drawn, strict=True), strict=True)}, features
    )


@lru_cache(maxsize=1)
def _splits() -> dict[str, list[tuple[str, str, int]]]:
    """Distinct pairs in the order in which they are drawn: first the training rows, then the others."""
    needed = sum(SIZES.values())
    distinct = list(dict.fromkeys(draw(generator(DATA_SEED, "tiny-rows"), needed + needed // 10)))
    assert len(distinct) >= needed
    return {"train": distinct[: SIZES["train"]], "validation": distinct[SIZES["train"] : needed]}


def load_tokenizer() -> PreTrainedTokenizerFast:
    """One token per word of the grammar."""
    return PreTrainedTokenizerFast.from_pretrained(MODEL)


def load_model(head: Head) -> PreTrainedModel:
    """The pretrained encoder with a fresh head, drawn from torch's default generator; float32, CPU.

    Raises ValueError for a head that no text encoder has.
    """
    if head.architecture not in ARCHITECTURES:
        raise ValueError(
            f'model.name = "tiny": the embedded encoder does {" and ".join(ARCHITECTURES)}, but the task needs '
            f"{head.architecture}; name another model"
        )
    config = BertConfig.from_pretrained(MODEL)
    config = BertConfig.from_pretrained(MODEL, **head.options(config))
    model = head.kind.model_class().from_config(config)
    text = "".join(json.loads((MODEL / WEIGHTS).read_text())["safetensors"])
    weights = {name: tensor.float() for name, tensor in load(base64.b64decode(text)).items()}
    absent = model.load_state_dict(weights, strict=False)
    assert all(name.startswith("bert.pooler.") for name in absent.unexpected_keys), absent.unexpected_keys
    assert set(absent.missing_keys) == find_head(model).keys(), absent.missing_keys
    return model
