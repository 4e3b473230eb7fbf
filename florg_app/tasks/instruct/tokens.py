"""Conversations as tokens: the prompt, then the response, which alone is learned."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from clients.batches import IGNORED, Batch
from florg_app.config.task_settings import TaskSettings
from florg_app.tasks.base import ROW
from florg_app.tasks.encoding import Refuse, encode_rows
from florg_app.tasks.files.wording import DataError, surrounded
from florg_app.tasks.instruct.prompts import Turn, prompt_of, prompt_tokens
from florg_app.tasks.row_text import Prompt, row_tokenizer

DEFAULT_DATE = TaskSettings().template_date.isoformat()

WHAT = "its conversation"
"""What messages call the turns of a row, whatever columns they are from."""


@dataclass(frozen=True)
class TooLong:
    """A prompt that leaves no room for any token of the response."""

    place: int
    """Of its conversation among all."""
    tokens: int


def raise_problem(place: int, problem: DataError) -> None:
    """Refuse no row quietly."""
    raise problem


def examples(
    conversations: Sequence[Sequence[Turn]],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    date: str = DEFAULT_DATE,
    refuse: Refuse = raise_problem,
) -> Iterator[dict[str, Any] | TooLong]:
    """The prompt and the response of each conversation with an end token, cut after `max_length` tokens, and its ROW.

    date: that of a template which asks for today's. Conversations that the template has no place for, or the tokenizer
    fails for, are refused.
    """
    prompts: dict[int, Prompt] = {}
    for place, turns in enumerate(conversations):
        try:
            prompts[place] = prompt_of(turns[:-1], tokenizer, date)
        except DataError as error:
            refuse(place, surrounded(f"{WHAT} ", error))

    def encode(places: Sequence[int]) -> tuple[list[list[int]], list[list[int]]]:
        responses = [conversations[place][-1]["content"] for place in places]
        asked = prompt_tokens([prompts[place] for place in places], tokenizer)
        return asked, row_tokenizer(tokenizer).response(responses)

    for places, (asked, answers) in encode_rows(encode, list(prompts), WHAT, refuse):
        for place, prompt, answer in zip(places, asked, answers, strict=True):
            response = [*answer, tokenizer.eos_token_id][: max(max_length - len(prompt), 0)]
            yield _example(place, prompt, response) if response else TooLong(place, len(prompt))


def _example(place: int, prompt: list[int], response: list[int]) -> dict[str, Any]:
    ids = prompt + response
    labels = [IGNORED] * len(prompt) + response
    return {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels, ROW: place}


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
