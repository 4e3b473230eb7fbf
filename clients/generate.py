"""Generation: how a language model goes on from prompts, in one batch, always with the likeliest token."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel
from transformers.generation.streamers import BaseStreamer


@torch.inference_mode()
def continuations(
    model: PreTrainedModel,
    prompts: Sequence[Tensor],
    max_new_tokens: int,
    pad: int,
    ends: Collection[int],
    streamer: BaseStreamer | None = None,
) -> list[list[int]]:
    """Up to `max_new_tokens` tokens behind each prompt (tokens), up to the first of `ends` and without it.

    Prompts are padded on the left, so that all go on at the same place; keys and values of past tokens are kept. What
    the checkpoint says about sampling is left aside. `streamer` is given the tokens of a single prompt as they are
    made. That the model has positions for all is seen to beforehand.
    """
    width = max(map(len, prompts))
    device = model.device
    ids = torch.full((len(prompts), width), pad, device=device)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = prompt.to(device)
        mask[row, width - len(prompt) :] = 1
    greedy = GenerationConfig(
        do_sample=False,
        num_beams=1,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        max_new_tokens=max_new_tokens,
        use_cache=True,
        pad_token_id=pad,
        eos_token_id=sorted(ends),
    )
    tokens = model.generate(input_ids=ids, attention_mask=mask, generation_config=greedy, streamer=streamer)  # pyright: ignore[reportCallIssue]
    assert isinstance(tokens, Tensor)
    return [_before_end(row, ends) for row in tokens[:, width:].tolist()]


def end_tokens(model: PreTrainedModel, own: int) -> set[int]:
    """Tokens that end a text: `own`, which it is trained to end with, and those of its checkpoint."""
    known = getattr(model.generation_config, "eos_token_id", None)
    return {own, *(known if isinstance(known, list) else [] if known is None else [known])}


def _before_end(tokens: list[int], ends: Collection[int]) -> list[int]:
    return tokens[: next((place for place, token in enumerate(tokens) if token in ends), len(tokens))]
