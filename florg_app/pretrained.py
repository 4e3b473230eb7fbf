"""The pretrained model and what makes rows into its input, embedded or from the hub or a folder."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, PreTrainedModel

from clients.adapter_folder import adapter_beside
from clients.architectures import Head
from clients.backbone import DTYPES, PREPROCESSORS, keep_head_in_float32, load_model
from clients.loading import from_pretrained
from clients.padding import fill_padding, match_padding
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
        _no_quantization(quantization)
        return _embedded(settings.dtype, head, head_seed, device)
    adapter_beside(settings.name)  # a folder of an adapter alone has a tokenizer, or none, and is no model
    preprocessor = PREPROCESSORS[head.kind.preprocessor](settings.name, trust)
    loaded = load_model(settings.name, head, settings.dtype, head_seed, trust, quantization, device)
    match_padding(loaded.model, preprocessor)
    return Pretrained(loaded.model, preprocessor, loaded.drawn, loaded.notes, loaded.beside)


def outline_model(settings: ModelSettings, head: Head) -> PreTrainedModel:
    """Make the model of a configuration alone on the meta device, in eval mode; the embedded one as it is.

    Raises ValueError.
    """
    if settings.name == EMBEDDED:
        _no_quantization(settings.quantization)
        model = _embedded_model(settings.dtype, head)
        keep_head_in_float32(model)
        return model.eval()
    config = from_pretrained(AutoConfig, settings.name, trust_remote_code=settings.trust_remote_code)
    for key, value in head.options(config).items():
        if key != "key_mapping":
            setattr(config, key, value)
    trust, dtype = settings.trust_remote_code, DTYPES[settings.dtype]
    with torch.device("meta"):
        model = head.kind.model_class(config).from_config(config, trust_remote_code=trust, dtype=dtype)
    model.config.use_cache = False
    fill_padding(model)
    keep_head_in_float32(model)
    return model.eval()


def _no_quantization(quantization: str) -> None:
    """Raise ValueError where the embedded model is to be quantised."""
    if quantization != "none":
        raise ValueError(f'model.quantization = "{quantization}": model.name = "tiny" has none; set it to "none"')


def _embedded(dtype: str, head: Head, head_seed: int, device: torch.device) -> Pretrained:
    from florg_app.tasks.tiny import embedded

    with scoped_seed(head_seed):
        model = _embedded_model(dtype, head).to(device)  # pyright: ignore[reportArgumentType]  # transformers' wrapper
    keep_head_in_float32(model)
    return Pretrained(model.eval(), embedded.load_embedded_tokenizer())


def _embedded_model(dtype: str, head: Head) -> PreTrainedModel:
    """With a head drawn from torch's default generator, on the CPU."""
    from florg_app.tasks.tiny import embedded

    return embedded.load_embedded_model(head).to(DTYPES[dtype])  # pyright: ignore[reportArgumentType]  # transformers' wrapper
