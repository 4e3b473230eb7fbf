"""The embedded data set and its pretrained encoder: nothing is downloaded."""

import base64
import json
from functools import lru_cache
from pathlib import Path
from typing import Literal

from datasets import ClassLabel, Dataset, Features, Value
from safetensors.torch import load
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel, PreTrainedTokenizerFast

from florg_app.tasks.tiny.grammar import LABELS
from florg_app.tasks.tiny.grammar import rows as draw
from strategies.rng import generator

MODEL = Path(__file__).parent / "model"
WEIGHTS = "weights.json"

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


def load_model(num_labels: int) -> PreTrainedModel:
    """The pretrained encoder with a fresh classifier, drawn from torch's default generator; float32, CPU."""
    model = BertForSequenceClassification(BertConfig.from_pretrained(MODEL, num_labels=num_labels))
    text = "".join(json.loads((MODEL / WEIGHTS).read_text())["safetensors"])
    weights = {name: tensor.float() for name, tensor in load(base64.b64decode(text)).items()}
    absent = model.load_state_dict(weights, strict=False)
    assert not absent.unexpected_keys
    assert all(name.startswith("classifier.") for name in absent.missing_keys), absent.missing_keys
    return model
