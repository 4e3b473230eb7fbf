"""A model of a wanted size with random weights, so that what its loading costs can be measured without any download."""

from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification

from florg_app.tasks.tiny.embedded import load_embedded_tokenizer

HIDDEN = 1024
"""As BERT-large."""

LAYER_NUMBERS = 12 * HIDDEN**2
"""Weights of one layer: attention 4 h^2, feed-forward 8 h^2."""


def made_up_model(folder: Path, gigabytes: float) -> Path:
    """Write a BERT of about this size in float32, with the embedded task's tokenizer, as safetensors; the folder."""
    tokenizer = load_embedded_tokenizer()
    torch.manual_seed(0)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=HIDDEN,
            intermediate_size=4 * HIDDEN,
            num_attention_heads=16,
            num_hidden_layers=max(1, round(gigabytes * 1e9 / 4 / LAYER_NUMBERS)),
            max_position_embeddings=128,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
