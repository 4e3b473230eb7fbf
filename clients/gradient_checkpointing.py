"""Gradient checkpointing: a model that keeps less of its forward pass and computes it again on the way back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from transformers import PreTrainedModel


@contextmanager
def with_gradient_checkpointing(model: PreTrainedModel, wanted: bool) -> Iterator[None]:
    """Within the context the model keeps what enters each of its blocks, and nothing in between, while it trains.

    Gradients are the same bits; dropout is drawn again as it was. Raises ValueError where the model cannot.
    """
    if not wanted:
        yield
        return
    if not model.supports_gradient_checkpointing:
        raise ValueError(
            f"train.gradient-checkpointing = true: {type(model).__name__} has no blocks that transformers could "
            "compute again; set it to false, and lower train.micro-batch-size where memory is short"
        )
    # Not reentrant: frozen embeddings give the first block an input without gradient.
    _either(model, "activation_checkpointing_enable", "gradient_checkpointing_enable")({"use_reentrant": False})
    model.disable_input_require_grads()  # which transformers adds for the reentrant kind; it only costs time here
    try:
        yield
    finally:
        _either(model, "activation_checkpointing_disable", "gradient_checkpointing_disable")()


def _either(model: PreTrainedModel, name: str, old_name: str) -> Callable[..., None]:
    """A method that transformers renamed between its versions 5."""
    return getattr(model, name if hasattr(model, name) else old_name)
