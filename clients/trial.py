"""A model tried on a few inputs as its task makes them: what it is called with, what it reaches, how far it goes."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from clients.lookups import CheckedLookups
from clients.targets import find_backbone, find_head, linear_layers

_DECLARED = re.compile(
    r"(max_(?!relative)\w*(position_embeddings|positions|seq\w*|context\w*)|n_positions|n_ctx|seq_len\w*|context_length)"
)
"""Names of settings of a configuration that say how long a text may be."""


@dataclass(frozen=True)
class Trial:
    """What a model did with a few inputs."""

    inputs: Mapping[str, Any]
    """Its keyword arguments."""
    reached: frozenset[str]
    """Linear layers of its backbone on whose outputs the loss depends, and those that differ from them in numbers
    alone: of the experts of a mixture a few inputs meet some."""
    tables: Mapping[str, int]
    """By name of an input of whole numbers that is looked up in tables of embeddings: rows of the smallest."""


def tried(model: PreTrainedModel, loss: Callable[[], Tensor]) -> Trial:
    """What happens in `loss`, which calls the model once. Raises what it raises, BeyondTableError on any device."""
    layers = linear_layers(model)
    with called_with(model) as calls, _touched(layers) as leaves, CheckedLookups() as lookups, torch.enable_grad():
        value = loss()
    touched = list(leaves)
    if value.requires_grad and touched:
        gradients = torch.autograd.grad(value, [leaves[name] for name in touched], allow_unused=True)
        touched = [name for name, gradient in zip(touched, gradients, strict=True) if gradient is not None]
    forms = {_form(name) for name in touched}
    tables: dict[str, int] = {}
    for name, given in calls[0].items():
        sizes = [size for indices, size in lookups.tables if _same(indices, given)]
        tables |= {name: min(sizes)} if sizes else {}
    return Trial(calls[0], frozenset(name for name in layers if _form(name) in forms), tables)


@contextmanager
def called_with(model: nn.Module) -> Iterator[list[dict[str, Any]]]:
    """Collects the keyword arguments of every call of the model within the context."""
    calls: list[dict[str, Any]] = []
    hook = model.register_forward_pre_hook(lambda _, args, kwargs: calls.append(dict(kwargs)), with_kwargs=True)
    try:
        yield calls
    finally:
        hook.remove()


def positions(model: PreTrainedModel, inputs: Mapping[str, Any], wanted: int) -> int | None:
    """The most tokens of a text that the model takes, below `wanted`; None where it takes as many as that.

    Tried: tables of positions raise, rotary and relative positions do not, some families keep two positions for
    themselves, and one has as many as buckets for its hashes. No setting says that in all of them.
    """
    if "input_ids" not in inputs:
        return None
    row = _longest_row(inputs)
    low, high = row["input_ids"].shape[1], wanted
    if low >= wanted or _takes(model, row, wanted):
        return None
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if _takes(model, row, middle) else (low, middle)
    return low


def trained_length(config: PreTrainedConfig) -> int | None:
    """The smallest length of a text that a configuration names; None where it names none."""
    return min(_declared(config), default=None)


def _declared(config: PreTrainedConfig) -> list[int]:
    settings = config.get_text_config().to_dict()
    return [value for name, value in settings.items() if _DECLARED.fullmatch(name) and type(value) is int and value > 0]


@torch.inference_mode()
def _takes(model: PreTrainedModel, row: Mapping[str, Any], length: int) -> bool:
    """Whether a text of this length passes; where only memory is short nobody knows, and rows may all be shorter."""
    # A language model's logits of a long text, of a large vocabulary, take more memory than all else.
    called = model if find_head(model) else find_backbone(model)
    try:
        with CheckedLookups():
            called(**{name: _lengthened(value, length) for name, value in row.items()})
    except torch.OutOfMemoryError:
        return True
    except Exception:
        return False
    return True


def _longest_row(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a batch with the most tokens, (1, tokens), without padding."""
    width = inputs["input_ids"].shape[1]
    mask = inputs.get("attention_mask")
    place = 0 if mask is None else int(mask.sum(1).argmax())
    count = width if mask is None else int(mask[place].sum())
    return {
        name: value[place : place + 1, :count] if isinstance(value, Tensor) and value.shape[1:] == (width,) else value
        for name, value in inputs.items()
    }


def _lengthened(value: Any, length: int) -> Any:
    """A row (1, tokens) with its second token repeated: the first and the last may be special ones."""
    if not isinstance(value, Tensor) or value.dim() != 2:
        return value
    return torch.cat([value[:, :1], value[:, 1:2].expand(-1, length - value.shape[1]), value[:, 1:]], dim=1)


@contextmanager
def _touched(layers: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Collects, for each layer that computes something, a zero that was added to its output."""
    leaves: dict[str, Tensor] = {}

    def hook(name: str) -> Callable[..., Any]:
        def add_zero(module: nn.Module, inputs: Any, output: Any) -> Any:
            if not isinstance(output, Tensor) or not output.is_floating_point():
                return output
            if name not in leaves:
                leaves[name] = output.new_zeros(()).requires_grad_()
            return output + leaves[name]

        return add_zero

    with ExitStack() as hooks:
        for name, layer in layers.items():
            hooks.callback(layer.register_forward_hook(hook(name)).remove)
        yield leaves


def _form(name: str) -> str:
    """The name with its numbers left open."""
    return re.sub(r"\.\d+\.", ".*.", re.sub(r"\.\d+\.", ".*.", name))


def _same(indices: Tensor, given: Any) -> bool:
    is_whole = isinstance(given, Tensor) and not given.is_floating_point() and given.dtype is not torch.bool
    return is_whole and indices.numel() == given.numel() and torch.equal(indices.flatten(), given.flatten())
