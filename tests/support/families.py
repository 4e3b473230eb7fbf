"""Tiny random classifiers of many model families, each with a batch that it can learn."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForSequenceClassification,
    DebertaConfig,
    DebertaV2Config,
    DistilBertConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
    T5Config,
)

from clients.seeding import scoped_seed
from strategies.rng import generator
from tests.support.pictures import FAMILIES as VISION
from tests.support.pictures import vision_model
from tests.support.tiny_models import pad, tiny_config, tiny_features

ENCODERS = ("bert", "roberta", "distilbert", "deberta", "deberta-v2")
DECODERS = ("opt", "gpt2", "llama", "gemma", "gemma2", "gemma3", "qwen2", "qwen3")
FAMILIES = (*ENCODERS, *DECODERS, *VISION)

_QUIET = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
_SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
_COMMON: dict[str, Any] = {"vocab_size": 64, "num_labels": 3, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_ROTARY: dict[str, Any] = {**_COMMON, **_SIZES, "num_key_value_heads": 2, "head_dim": 12}

CONFIGS: Mapping[str, Callable[[], PreTrainedConfig]] = {
    **{name: lambda name=name: tiny_config(name) for name in ("bert", "roberta", "opt", "gpt2", "llama")},
    "distilbert": lambda: DistilBertConfig(
        **_COMMON, dim=32, n_layers=2, n_heads=4, hidden_dim=48, dropout=0.0, seq_classif_dropout=0.0
    ),
    "deberta": lambda: DebertaConfig(**_COMMON, **_SIZES, **_QUIET),
    "deberta-v2": lambda: DebertaV2Config(**_COMMON, **_SIZES, **_QUIET),
    "gemma": lambda: GemmaConfig(**_ROTARY),
    "gemma2": lambda: Gemma2Config(**_ROTARY),
    "gemma3": lambda: Gemma3TextConfig(**_ROTARY),
    "qwen2": lambda: Qwen2Config(**{**_ROTARY, "head_dim": 8}),
    "qwen3": lambda: Qwen3Config(**_ROTARY),
    "t5": lambda: T5Config(**_COMMON, d_model=32, d_kv=6, num_heads=4, num_layers=1, d_ff=48),
}
"""Configurations of text models without dropout."""


def family_model(family: str) -> PreTrainedModel:
    """A float32 classifier of three classes in eval mode, the same bits each time.

    Its matrices are larger than transformers draws them for such a width: else attention hardly depends on anything.
    """
    with scoped_seed(0):
        if family in VISION:
            model = vision_model(family)
        else:
            model = AutoModelForSequenceClassification.from_config(CONFIGS[family]()).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(6 if parameter.dim() > 1 else 1)
    return model


def family_features(family: str, num_examples: int) -> list[dict[str, Any]]:
    """Examples whose label is their first token, or random pixels."""
    if family not in VISION:
        return tiny_features(num_examples)
    pixels = generator(0, "pixels").standard_normal((num_examples, 3, 16, 16))
    return [{"pixel_values": torch.from_numpy(image).float(), "labels": i % 3} for i, image in enumerate(pixels)]


def collate(examples: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Texts padded, images stacked."""
    if "input_ids" in examples[0]:
        return pad(examples)
    labels = torch.tensor([example["labels"] for example in examples])
    return {"pixel_values": torch.stack([example["pixel_values"] for example in examples]), "labels": labels}


def logits(model: nn.Module, ids: Sequence[Sequence[int]], left: int = 0, right: int = 0) -> Tensor:
    """(b, classes) of texts of one length with so much padding on their sides."""
    rows = torch.tensor([[0] * left + list(row) + [0] * right for row in ids])
    with torch.no_grad():
        return model(input_ids=rows, attention_mask=(rows != 0).long()).logits
