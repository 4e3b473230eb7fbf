"""The pretrained model and what makes rows into its input, embedded or from the hub or a folder."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel

from clients.adapter_folder import adapter_beside
from clients.architectures import Head
from clients.backbone import DTYPES, PREPROCESSORS, keep_head_in_float32, load_model
from clients.padding import match_padding
from clients.seeding import scoped_seed
from florg_app.config.settings import ModelSettings
from florg_app.tasks.base import Preprocessor
from strategies.rng import stream_seed

EMBEDDED = "tiny"


@dataclass(frozen=True)
class Pretrained:
    """A frozen backbone with a fresh head, and the tokenizer or image processor that belongs to it."""

    model: PreTrainedModel
    preprocessor: Preprocessor
    drawn: tuple[str, ...] = ()
    """Weights of the backbone that its checkpoint lacks, by name: drawn from the seed."""
    notes: tuple[str, ...] = ()
    """What a user should know of it, a sentence each."""
    beside: Path | None = None
    """Its folder where that holds an adapter as well, which is not in it."""


def load_pretrained(settings: ModelSettings, head: Head, seed: int, device: torch.device) -> Pretrained:
    """`model.name` on the device; the fresh head is the same in every process with this seed. Raises ValueError."""
    head_seed, trust, quantization = stream_seed(seed, "head"), settings.trust_remote_code, settings.quantization
    if settings.name == EMBEDDED:
        if quantization != "none":
            raise ValueError(f'model.quantization = "{quantization}": model.name = "tiny" has none; set it to "none"')
        return _embedded(settings.dtype, head, head_seed, device)
    adapter_beside(settings.name)  # a folder of an adapter alone has a tokenizer, or none, and is no model
    preprocessor = PREPROCESSORS[head.kind.preprocessor](settings.name, trust)
    loaded = load_model(settings.name, head, settings.dtype, head_seed, trust, quantization, device)
    match_padding(loaded.model, preprocessor)
    return Pretrained(loaded.model, preprocessor, loaded.drawn, loaded.notes, loaded.beside)


def _embedded(dtype: str, head: Head, head_seed: int, device: torch.device) -> Pretrained:
    from florg_app.tasks.tiny import embedded

    with scoped_seed(head_seed):
        model = embedded.load_embedded_model(head).to(device, DTYPES[dtype])  # pyright: ignore[reportArgumentType]  # transformers' wrapper
    keep_head_in_float32(model)
    return Pretrained(model.eval(), embedded.load_embedded_tokenizer())
