"""The embedded data set and its pretrained encoder: nothing is downloaded."""

import base64
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from datasets import ClassLabel, Dataset, Features, Value
from safetensors.torch import load
from torch import nn
from transformers import BertConfig, PreTrainedModel, PreTrainedTokenizerFast

from clients.architectures import Head
from clients.targets import find_head
from florg_app.tasks.tiny.grammar import LABELS, grammar_rows
from strategies.rng import generator

EMBEDDED_FOLDER = Path(__file__).parent / "model"
EMBEDDED_WEIGHTS = "weights.json"

EMBEDDED_ARCHITECTURES = ("sequence-classification", "question-answering")
"""What the encoder can be given a head for."""

POSITIONS = 128
"""Tokens of the longest text that the encoder takes: the default of task.max-length."""

DATA_SEED = 2026
SPLIT_SIZES = {"train": 3200, "validation": 800}
"""Rows of each split."""


def embedded_rows(split: Literal["train", "validation"]) -> Dataset:
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
    needed = sum(SPLIT_SIZES.values())
    distinct = list(dict.fromkeys(grammar_rows(generator(DATA_SEED, "tiny-rows"), needed + needed // 10)))
    assert len(distinct) >= needed
    return {"train": distinct[: SPLIT_SIZES["train"]], "validation": distinct[SPLIT_SIZES["train"] : needed]}


def load_embedded_tokenizer() -> PreTrainedTokenizerFast:
    """One token per word of the grammar."""
    return PreTrainedTokenizerFast.from_pretrained(EMBEDDED_FOLDER)


def load_embedded_model(head: Head) -> PreTrainedModel:
    """The pretrained encoder with a fresh head, drawn from torch's default generator; float32, CPU.

    Raises ValueError for a head that no text encoder has.
    """
    if head.architecture not in EMBEDDED_ARCHITECTURES:
        raise ValueError(
            f'model.name = "tiny": the embedded encoder does {" and ".join(EMBEDDED_ARCHITECTURES)}, but the task '
            f"needs {head.architecture}; name another model"
        )
    config = BertConfig.from_pretrained(EMBEDDED_FOLDER)
    config = BertConfig.from_pretrained(EMBEDDED_FOLDER, **head.options(config))
    model = head.kind.model_class(config).from_config(config)
    text = "".join(json.loads((EMBEDDED_FOLDER / EMBEDDED_WEIGHTS).read_text())["safetensors"])
    weights = {name: tensor.float() for name, tensor in load(base64.b64decode(text)).items()}
    absent = model.load_state_dict(weights, strict=False)
    assert all(name.startswith("bert.pooler.") for name in absent.unexpected_keys), absent.unexpected_keys
    assert set(absent.missing_keys) == find_head(model).keys(), absent.missing_keys
    _extend_positions(model)
    return model


def _extend_positions(model: PreTrainedModel) -> None:
    """Give the encoder, which was pretrained on texts of 32 tokens, zeros as further positions, up to POSITIONS.

    After all is drawn and loaded: a larger table from the start would take other draws, and the head be another one.
    """
    embeddings: Any = model.base_model.embeddings
    trained = embeddings.position_embeddings.weight.detach()
    zeros = trained.new_zeros(POSITIONS - len(trained), trained.shape[1])
    embeddings.position_embeddings = nn.Embedding.from_pretrained(torch.cat([trained, zeros]), freeze=False)
    embeddings.position_ids = torch.arange(POSITIONS)[None]
    embeddings.token_type_ids = torch.zeros_like(embeddings.position_ids)
    model.config.max_position_embeddings = POSITIONS
