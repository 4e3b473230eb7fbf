"""What a model answers to a few random inputs, to tell whether another one is the same."""

from collections.abc import Callable, Mapping

import torch
from numpy.random import Generator
from torch import Tensor, nn
from transformers import PreTrainedModel

from florg_app.tasks.base import Preprocessor
from strategies.rng import generator

NUM_PROBES, LONGEST_PROBE = 8, 16
"""Rows of random input, and tokens of the longest."""


@torch.inference_mode()
def probe(base: PreTrainedModel, preprocessor: Preprocessor, model: nn.Module) -> Tensor:
    """All numbers that `model` gives for NUM_PROBES random inputs of what `base` takes, one row each, on the CPU.

    The inputs depend on the preprocessor and the sizes of `base` alone, so that two models can be compared.
    """
    batch = INPUTS[base.main_input_name](base, preprocessor, generator(0, "export-probe"))
    output = model.eval()(**{name: tensor.to(base.device) for name, tensor in batch.items()})
    tensors = [value for value in output.to_tuple() if isinstance(value, Tensor)]
    return torch.cat([tensor.float().cpu().flatten(1) for tensor in tensors], dim=1)


def _tokens(base: PreTrainedModel, tokenizer: Preprocessor, rng: Generator) -> Mapping[str, Tensor]:
    """Rows of random tokens of different lengths, padded."""
    special = set(tokenizer.all_special_ids)
    known = min(len(tokenizer), base.config.vocab_size)
    words = [token for token in range(known) if token not in special]
    rows = [rng.choice(words, length).tolist() for length in rng.integers(4, LONGEST_PROBE + 1, NUM_PROBES)]
    features = [{"input_ids": row, "attention_mask": [1] * len(row)} for row in rows]
    return tokenizer.pad(features, return_tensors="pt")


def _pixels(base: PreTrainedModel, _: Preprocessor, rng: Generator) -> Mapping[str, Tensor]:
    """Images of random pixels (n, channels, height, width)."""
    vision = getattr(base.config, "vision_config", base.config)
    shape = (NUM_PROBES, vision.num_channels, vision.image_size, vision.image_size)
    return {"pixel_values": torch.from_numpy(rng.standard_normal(shape)).float()}


INPUTS: Mapping[str, Callable[[PreTrainedModel, Preprocessor, Generator], Mapping[str, Tensor]]] = {
    "input_ids": _tokens,
    "pixel_values": _pixels,
}
"""By the name of a model's main input."""
