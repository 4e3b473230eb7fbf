"""Conversations as tokens: the prompt, then the response, which alone is learned."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from clients.batches import IGNORED, Batch
from florg_app.tasks.instruct.prompts import Turn, prompt_tokens


def examples(
    conversations: Sequence[Sequence[Turn]], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> Iterator[dict[str, list[int]] | int]:
    """The prompt and the response of each conversation with an end token, cut after `max_length` tokens.

    Where the prompt leaves no room for any token of the response: how many tokens it has.
    """
    prompts = prompt_tokens([turns[:-1] for turns in conversations], tokenizer)
    responses = [turns[-1]["content"] for turns in conversations]
    answers = tokenizer(responses, add_special_tokens=False)["input_ids"] if responses else []
    for prompt, answer in zip(prompts, answers, strict=True):
        response = [*answer, tokenizer.eos_token_id][: max(max_length - len(prompt), 0)]
        if not response:
            yield len(prompt)
            continue
        ids = prompt + response
        yield {
            "input_ids": ids,
            "attention_mask": [1] * len(ids),
            "labels": [IGNORED] * len(prompt) + response,
        }


def pad_right(features: Sequence[Mapping[str, Any]], padding_token: int) -> Batch:
    """input_ids, attention_mask and labels (b, tokens) of the longest example."""
    width = max(len(example["input_ids"]) for example in features)
    fill = {"input_ids": padding_token, "attention_mask": 0, "labels": IGNORED}
    return {
        name: torch.tensor([[*example[name], *[value] * (width - len(example[name]))] for example in features])
        for name, value in fill.items()
    }


def prompts_of(batch: Batch) -> list[Tensor]:
    """The tokens before the first learned one of each row."""
    ends = (batch["labels"] != IGNORED).int().argmax(dim=1).tolist()
    return [ids[:end] for ids, end in zip(batch["input_ids"], ends, strict=True)]


def response_losses(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Cross-entropy of each learned token of a batch in float32 (tokens), and the row in which it is (tokens)."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
    labels = batch["labels"][:, 1:]
    learned = labels != IGNORED  # only these become float32: a vocabulary is large
    losses = nn.functional.cross_entropy(logits[learned].float(), labels[learned], reduction="none")
    return losses, learned.nonzero()[:, 0]
