"""How far a model's tables go, against its tokenizer, the settings and the rows; every error names key and remedy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

TOKEN_ROLES = ("pad_token_id", "eos_token_id", "bos_token_id", "unk_token_id", "cls_token_id", "sep_token_id")
"""Of special tokens that come into texts by themselves."""

RESIZE = (
    "give the model rows for them (model.resize_token_embeddings(len(tokenizer)), then save both), or use the "
    "tokenizer that it was trained with"
)
"""What to do about tokens that a model has no embeddings of."""


@dataclass(frozen=True)
class Limits:
    """What one model can take; None: anything that is asked of it."""

    tokens: int | None = None
    """Rows of its embeddings: every token is a smaller number."""
    positions: int | None = None
    """Tokens of a text, with what is generated behind it."""


def check_vocabulary(limits: Limits, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise ValueError where texts can become tokens that the model has no embedding of.

    Special tokens beyond the embeddings that no text becomes do no harm: models without an image half share tokenizers
    with those that have one.
    """
    if limits.tokens is None:
        return
    known = limits.tokens
    for role in TOKEN_ROLES:
        token = getattr(tokenizer, role, None)
        if isinstance(token, int) and token >= known:
            what, text = role.removesuffix("_token_id"), tokenizer.convert_ids_to_tokens(token)
            raise ValueError(
                f"model.name: its tokenizer's {what} token {text!r} is token {token}, but the model has embeddings of "
                f"{known} tokens; {RESIZE}"
            )
    beyond = [token for token, added in tokenizer.added_tokens_decoder.items() if token >= known and not added.special]
    if tokenizer.vocab_size > known or beyond:
        raise ValueError(
            f"model.name: its tokenizer has {len(tokenizer)} tokens, up to number {highest_token(tokenizer)}, but the "
            f"model has embeddings of {known} tokens; {RESIZE}"
        )


def highest_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """The largest number of a token."""
    return max(tokenizer.vocab_size - 1, *tokenizer.added_tokens_decoder, 0)


def check_length(limits: Limits, max_length: int) -> None:
    """Raise ValueError where task.max-length allows texts that the model has no positions for."""
    if limits.positions is not None and max_length > limits.positions:
        raise ValueError(
            f"task.max-length = {max_length}: this model has {limits.positions} positions; lower task.max-length to "
            f"{limits.positions}, or name a model for longer texts in model.name"
        )


def image_mismatch(config: Any, pixels: Sequence[int]) -> str | None:
    """What differs between the images (channels, height, width) of a processor and those of a model; None: nothing."""
    vision = getattr(config, "vision_config", config)
    channels, size = getattr(vision, "num_channels", None), getattr(vision, "image_size", None)
    if isinstance(channels, int) and channels != pixels[0]:
        return (
            f"it takes images of {channels} channel(s), but its image processor gives {pixels[0]}, red, green and "
            "blue; use a model for colour images"
        )
    sides, given = (size, size) if isinstance(size, int) else tuple(size or ()), tuple(pixels[1:])
    if len(sides) == 2 and given != sides:
        return (
            f"it takes images of {sides[0]} x {sides[1]} pixels, but its image processor gives {given[0]} x "
            f"{given[1]}; correct size and crop_size in its preprocessor_config.json"
        )
    return None
