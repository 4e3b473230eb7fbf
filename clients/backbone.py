"""The frozen model: loaded once per process, shared by the clients that the process serves, known by its weights."""

import gc
import hashlib
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from logging import DEBUG
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from clients.adapter_folder import adapter_beside
from clients.architectures import Head
from clients.checkpoint_gaps import has_head_of, what_was_lacking
from clients.class_order import draw_head, known_classes, reorder_head
from clients.loading import from_pretrained
from clients.padding import fill_padding
from clients.quantized import check_quantization, quantization_options
from clients.seeding import scoped_seed
from clients.targets import find_head, head_modules
from strategies.logger import log

T = TypeVar("T")

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""The precisions that a backbone may be kept in."""

CPU = torch.device("cpu")

NO_ADAPTER: Mapping[str, Any] = {"adapter_kwargs": {"subfolder": "none"}}
"""Arguments of `from_pretrained` that have transformers not find the adapter beside a model, and put it on."""

FINGERPRINT_SAMPLES = 64
"""Elements of each tensor that enter the fingerprint."""

LOADED = "loaded in this process: %s"
"""What the log says each time, at the level DEBUG (FLWR_LOG_LEVEL=DEBUG), so that loads can be counted."""

_live: dict[Hashable, tuple[Hashable, Any]] = {}


def shared(key: tuple[Hashable, ...], load: Callable[[], T]) -> T:
    """What `load` returned when this process last saw the key.

    key[0] says what kind of thing it is ("backbone"), the rest everything that it depends on. One thing of a kind is
    kept; another key of the same kind frees it before it loads.
    """
    kind = key[0]
    if kind in _live and _live[kind][0] != key:
        del _live[kind]
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    if kind not in _live:
        log(DEBUG, LOADED, kind)
        _live[kind] = (key, load())
    return _live[kind][1]


@dataclass(frozen=True)
class Loaded:
    """A model as a task wants it, and what of it did not come from its checkpoint."""

    model: PreTrainedModel
    drawn: tuple[str, ...]
    """Weights of the backbone that the checkpoint lacks, by name: drawn from the seed, and frozen as the others."""
    notes: tuple[str, ...]
    """What a user should know of it, a sentence each."""
    beside: Path | None
    """Its folder where that holds an adapter as well, which is not in it; None elsewhere."""


def load_model(
    name_or_path: str,
    head: Head,
    dtype: str,
    head_seed: int,
    trust_remote_code: bool = False,
    quantization: str = "none",
    device: torch.device = CPU,
) -> Loaded:
    """The model with this head on the device, in eval mode: backbone in `dtype`, task head in float32.

    A head of the task's own classes is kept, in their order. Weights that the checkpoint lacks, and a head of other
    classes, are drawn from `head_seed`, the same bits in every process. Raises ValueError where the model cannot be
    had, has no such head, or cannot be quantised here.
    """
    check_quantization(quantization, device)
    beside = adapter_beside(name_or_path)
    config = from_pretrained(AutoConfig, name_or_path, trust_remote_code=trust_remote_code)
    known, options = known_classes(config, head), head.options(config)
    with scoped_seed(head_seed, device), _without_warnings():
        model, loading = from_pretrained(
            head.kind.model_class(config),
            name_or_path,
            **options,
            **quantization_options(quantization, head, config, dtype, device),
            dtype=DTYPES[dtype],
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **({} if beside is None else NO_ADAPTER),
            trust_remote_code=trust_remote_code,
        )
    drawn, notes = what_was_lacking(model, loading, head, known, name_or_path)
    if has_head_of(model, loading):
        if known.fresh:
            with scoped_seed(head_seed, device):
                draw_head(model)
        elif known.order:
            reorder_head(model, head, known.order)
    model.config.use_cache = False  # keys and values of past tokens are only memory where nothing is generated
    fill_padding(model)
    keep_head_in_float32(model)
    if quantization == "none":  # a quantised one is made on its device
        model.to(device)  # pyright: ignore[reportArgumentType]  # transformers' wrapper
    return Loaded(model.eval(), drawn, notes, beside)


def load_tokenizer(name_or_path: str, trust_remote_code: bool = False) -> PreTrainedTokenizerBase:
    """The model's tokenizer, padding on the right with a token of its own, or else its end-of-sequence token.

    On the right whatever it prefers: some models (GPT-2, BERT) number the positions of padding before a text too.
    """
    tokenizer = from_pretrained(AutoTokenizer, name_or_path, trust_remote_code=trust_remote_code)
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise ValueError(f"model.name = {name_or_path!r}: its tokenizer has neither a padding nor an end token")
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    return tokenizer


def load_image_processor(name_or_path: str, trust_remote_code: bool = False) -> Any:
    """What scales and normalises images as the model was trained on them."""
    return from_pretrained(AutoImageProcessor, name_or_path, trust_remote_code=trust_remote_code)


PREPROCESSORS: Mapping[str, Callable[..., Any]] = {
    "AutoTokenizer": load_tokenizer,
    "AutoImageProcessor": load_image_processor,
}
"""By `Architecture.preprocessor`: (name or path, trust_remote_code) -> what makes rows into the model's input."""


def keep_head_in_float32(model: PreTrainedModel) -> None:
    """Hold the task head in float32 and cast what enters it.

    A head trained in 16 bits would lose every step smaller than 1/256 of the weight.
    """
    for top in sorted(head_modules(model)):
        module = model.get_submodule(top).float()
        module.register_forward_pre_hook(_cast_to_float32)


@torch.no_grad()
def weights_fingerprint(model: PreTrainedModel, exclude_head: bool = True) -> str:
    """SHA-256 of the names, shapes, dtypes and 64 evenly spaced elements of each parameter of a plain model.

    Takes milliseconds and tells one checkpoint from another; not a protection against forgery.
    """
    head = find_head(model) if exclude_head else {}
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        if name not in head:
            digest.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}".encode())
            digest.update(_sample(parameter).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _sample(parameter: Tensor) -> Tensor:
    """At most 64 evenly spaced elements, the first and the last among them, on the CPU."""
    flat = parameter.detach().reshape(-1)
    count = min(FINGERPRINT_SAMPLES, flat.numel())
    places = torch.arange(count) * (flat.numel() - 1) // max(count - 1, 1)
    return flat[places.to(flat.device)].cpu()


@contextmanager
def _without_warnings() -> Iterator[None]:
    """transformers reports every fresh head as missing weights; a fresh head is what we ask for."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _cast_to_float32(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(x.float() if isinstance(x, Tensor) and x.is_floating_point() else x for x in inputs)
