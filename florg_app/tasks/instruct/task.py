"""`dolly`, `medquad`, `instruct`: a language model learns to respond to instructions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from clients.architectures import Head
from clients.batches import IGNORED, Batch, Collate
from clients.generate import continuations, end_tokens
from florg_app.config.parse import ConfigError
from florg_app.tasks.base import ROW, Features, Task
from florg_app.tasks.files.bad_rows import BadRows
from florg_app.tasks.files.sampling import Read, sample_rows
from florg_app.tasks.files.wording import DataError
from florg_app.tasks.instruct.asked_turns import PROMPT, asked_turns
from florg_app.tasks.instruct.text_scores import text_scores
from florg_app.tasks.instruct.tokens import TooLong, examples, pad_right, prompts_of, response_losses
from florg_app.tasks.specimens import specimen_texts
from florg_app.tasks.split import Split
from strategies.rng import generator

TURNS = "turns"
"""The column of conversations."""

REFERENCE, TOKENIZER, ASKED_ROW = "reference", "tokenizer", "asked"
"""In features: the response that a generated one is compared with, absent where none is generated. In batches with
such rows: what reads and writes them, and which they are."""


@dataclass(frozen=True)
class Answered:
    """What a model made of one row."""

    loss: float
    """Sum over the tokens of the response."""
    tokens: int
    text: str | None
    """A response of its own; None where none was asked for."""


@dataclass(frozen=True, kw_only=True)
class Instruct(Task):
    """Cross-entropy of the tokens of the response, given the prompt."""

    head: Head = field(default_factory=lambda: Head("causal-lm"))
    label_names: tuple[str, ...] = ()
    partition_column: str | None
    extra_column: str | None = None
    source: Read
    """All rows of a split: TURNS and the partition column."""
    max_rows: Mapping[Split, int | None]
    seed: int
    template_date: str
    """Of chat templates that ask for today's."""
    generate_rows: int | None
    """Rows of a set for which responses are generated; None = all."""
    max_new_tokens: int
    bad_rows: BadRows = field(default_factory=BadRows)

    @property
    def cacheable(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.generate_rows == 0

    def rows(self, split: Split) -> Dataset:
        return sample_rows(self.source(split), split, self.max_rows[split], self.seed)

    def features(self, rows: Dataset, preprocessor: PreTrainedTokenizerBase, max_length: int) -> Features:
        self.check_preprocessor(preprocessor, max_length)
        asked = generator(self.seed, "generated-rows").permutation(len(rows))[: self.generate_rows].tolist()
        conversations, found, asked = rows[TURNS][:], [], set(asked)

        def refuse(place: int, problem: DataError, setting: str = "") -> None:
            self.bad_rows.refuse_at(rows, place, problem, setting)

        for example in examples(conversations, preprocessor, max_length, self.template_date, refuse):
            if isinstance(example, TooLong):
                refuse(example.place, _too_long(example, max_length), "task.max-length")
            else:
                place = example[ROW]
                reference = {REFERENCE: conversations[place][-1]["content"]} if place in asked else {}
                found.append({**example, **reference})
        if len(rows) and not found:
            raise ConfigError(
                f"task.max-length = {max_length}: no prompt of {len(rows)} rows leaves room, or can be used otherwise; "
                f"raise it"
            )
        return found

    def specimens(self, preprocessor: PreTrainedTokenizerBase) -> Dataset:
        asked, answered = (specimen_texts(preprocessor, role) for role in ("user", "assistant"))
        turns = [
            [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            for question, answer in zip(asked, answered, strict=True)
        ]
        return Dataset.from_dict({TURNS: turns})

    def check_preprocessor(self, preprocessor: PreTrainedTokenizerBase, max_length: int) -> None:
        if preprocessor.eos_token_id is None:
            raise ConfigError("model.name: its tokenizer has no end token, which tells a model where a response ends")

    def longest(self, max_length: int) -> int:
        return max_length if self.generate_rows == 0 else max_length - 1 + self.max_new_tokens

    def reach(self, example: Mapping[str, Any]) -> int:
        """With what is generated behind its prompt, where that is asked for."""
        if REFERENCE not in example:
            return len(example["input_ids"])
        prompt = sum(label == IGNORED for label in example["labels"])
        return max(len(example["input_ids"]), prompt + self.max_new_tokens)

    def collate(self, preprocessor: PreTrainedTokenizerBase) -> Collate:
        padding = preprocessor.pad_token_id
        if not isinstance(padding, int):
            raise ConfigError("model.name: its tokenizer has no padding token, which batches of unequal texts need")

        def collate(features: list[Mapping[str, Any]]) -> Batch:
            asked = [REFERENCE in example for example in features]
            return {
                **pad_right(features, padding),
                **({TOKENIZER: preprocessor, ASKED_ROW: asked} if any(asked) else {}),
            }

        return collate

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        return response_losses(model, batch)[0].mean()

    def predict(self, model: nn.Module, batch: Batch) -> list[Answered]:
        losses, rows = response_losses(model, batch)
        count = len(batch["labels"])
        sums = torch.zeros(count, dtype=torch.float64).index_add(0, rows.cpu(), losses.cpu().double())
        tokens = torch.bincount(rows.cpu(), minlength=count)
        texts = self._texts(model, batch) if ASKED_ROW in batch else [None] * count
        return [Answered(*answered) for answered in zip(sums.tolist(), tokens.tolist(), texts, strict=True)]

    def score(self, predictions: Sequence[Answered], features: Features) -> dict[str, float]:
        """loss and perplexity by token over all rows; rouge-l and bleu-4 of the generated responses, if any."""
        loss = sum(answered.loss for answered in predictions) / sum(answered.tokens for answered in predictions)
        both = zip(predictions, features, strict=True)
        pairs = [(answered.text, example[REFERENCE]) for answered, example in both if answered.text is not None]
        texts = text_scores(*zip(*pairs, strict=True)) if pairs else {}
        return {"perplexity": float(np.exp(loss)), **texts, "loss": loss}

    answers_with = "a text"

    @property
    def asked_columns(self) -> tuple[str, ...]:
        return (PROMPT,)

    def unanswered(self, rows: Sequence[Mapping[str, Any]]) -> Dataset:
        """A row says its PROMPT, or has any of the forms of `asked_turns`."""
        nothing = {"role": "assistant", "content": ""}
        return Dataset.from_dict({TURNS: [[*asked_turns(row, number), nothing] for number, row in enumerate(rows, 1)]})

    def answers(self, predictions: Sequence[Answered], features: Features) -> list[dict[str, Any]]:
        return [{"response": answered.text} for answered in predictions]

    def writing(self, max_new_tokens: int | None) -> "Instruct":
        return replace(self, generate_rows=None, max_new_tokens=max_new_tokens or self.max_new_tokens)

    def _texts(self, model: nn.Module, batch: Batch) -> list[str | None]:
        """The model's own responses where they are asked for."""
        assert isinstance(model, PreTrainedModel), type(model)
        tokenizer, asked = batch[TOKENIZER], batch[ASKED_ROW]
        prompts = [prompt for prompt, wanted in zip(prompts_of(batch), asked, strict=True) if wanted]
        ends = end_tokens(model, tokenizer.eos_token_id)
        tokens = continuations(model, prompts, self.max_new_tokens, tokenizer.pad_token_id, ends)
        written = iter(tokenizer.batch_decode(tokens, skip_special_tokens=True))
        return [next(written).strip() if wanted else None for wanted in asked]


def _too_long(prompt: TooLong, max_length: int) -> DataError:
    return DataError(
        f"has a prompt of {prompt.tokens} tokens, which leaves none of task.max-length = {max_length} for its "
        f"response; raise that"
    )
