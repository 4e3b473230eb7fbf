"""SQuAD v1.1 (Rajpurkar et al., EMNLP 2016, arXiv 1606.05250): which words of a text answer a question?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from clients.architectures import Head
from clients.batches import Batch, Collate
from florg_app.config.parse import ConfigError
from florg_app.config.settings import Settings
from florg_app.tasks.base import ROW, Features, Task
from florg_app.tasks.files import hub
from florg_app.tasks.files.asked import asked_cells
from florg_app.tasks.files.bad_rows import BadRows
from florg_app.tasks.files.checks import check_text
from florg_app.tasks.files.folder import LocalFolder, bad_rows_of
from florg_app.tasks.files.sampling import sample_rows, select_columns
from florg_app.tasks.files.wording import DataError
from florg_app.tasks.specimens import specimen_texts
from florg_app.tasks.split import Split
from florg_app.tasks.squad.rows import LAYOUT, SQUAD_READERS, SQUAD_STEMS, question_word
from florg_app.tasks.squad.score import squad_scores
from florg_app.tasks.squad.spans import answer_text, best_spans
from florg_app.tasks.squad.windows import MAX_QUESTION, windows

SQUAD_HUB = "rajpurkar/squad"
SQUAD_SETTINGS = frozenset({"stride"})
"""Fields of `TaskSettings` that this task alone reads."""

NUM_BEST, MAX_ANSWER = 20, 30
"""Starts and ends that are tried in each window, and tokens of the longest answer: as BERT's run_squad.py."""

WORD = "question-word"


@dataclass(frozen=True, kw_only=True)
class Squad(Task):
    """A feature is one window of a context with its question; the windows of a row follow each other."""

    head: Head
    label_names: tuple[str, ...] = ()
    partition_column: str | None = WORD
    """The first interrogative of the question: clients differ in what kind of answer they are asked for."""
    source: Callable[[Split], Dataset]
    max_rows: Mapping[Split, int | None]
    seed: int
    stride: int
    """Tokens that neighbouring windows of a context share."""
    extra_column: str | None = None
    bad_rows: BadRows = field(default_factory=BadRows)

    def rows(self, split: Split) -> Dataset:
        rows = select_columns(self.source(split), split, list(LAYOUT.types), self.extra_column)
        words = [question_word(question) for question in rows["question"]]
        divisible = rows.add_column(WORD, words)  # pyright: ignore[reportCallIssue]
        return sample_rows(divisible, split, self.max_rows[split], self.seed)

    def features(self, rows: Dataset, preprocessor: PreTrainedTokenizerBase, max_length: int) -> Features:
        self.check_preprocessor(preprocessor, max_length)

        def refuse(place: int, problem: DataError) -> None:
            self.bad_rows.refuse_at(rows, place, problem)

        return list(windows(rows, preprocessor, max_length, self.stride, refuse))

    def specimens(self, preprocessor: PreTrainedTokenizerBase) -> Dataset:
        questions, contexts = (specimen_texts(preprocessor, column) for column in ("question", "context"))
        answers = [{"text": [context.split()[0]], "answer_start": [0]} for context in contexts]
        columns: dict[str, Any] = {"question": questions, "context": contexts, "answers": answers}
        return Dataset.from_dict(columns, LAYOUT.types)

    def check_preprocessor(self, preprocessor: PreTrainedTokenizerBase, max_length: int) -> None:
        room = max_length - MAX_QUESTION - preprocessor.num_special_tokens_to_add(pair=True)
        if self.stride >= room:
            raise ConfigError(
                f"task.stride = {self.stride}: beside a question of up to {MAX_QUESTION} tokens, task.max-length = "
                f"{max_length} leaves windows of {room}, and neighbours must share less; lower it, or raise "
                f"task.max-length"
            )
        if not preprocessor.is_fast:
            raise ConfigError("model.name: its tokenizer cannot say where tokens are in a text; a fast one is needed")

    def collate(self, preprocessor: PreTrainedTokenizerBase) -> Collate:
        inputs = set(preprocessor.model_input_names)

        def pad(examples: list[Mapping[str, Any]]) -> Batch:
            unpadded = [{name: value for name, value in example.items() if name in inputs} for example in examples]
            # On the right whatever the tokenizer prefers: positions of answers stay what they are, and a decoder's
            # tokens never see what follows them.
            batch = dict(preprocessor.pad(unpadded, padding_side="right", return_tensors="pt"))
            for name in ("start_positions", "end_positions"):
                batch[name] = torch.tensor([example[name] for example in examples])
            return batch

        return pad

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        positions = torch.stack([batch["start_positions"], batch["end_positions"]], dim=1)
        return _cross_entropy(_logits(model, batch), positions)

    def predict(self, model: nn.Module, batch: Batch) -> Iterator[Tensor]:
        """Start and end logits (tokens, 2) of each window without its padding, on the CPU."""
        logits, mask = _logits(model, batch).cpu(), batch["attention_mask"].bool().cpu()
        return (row[kept] for row, kept in zip(logits, mask, strict=True))

    def score(self, predictions: Sequence[Tensor], features: Features) -> dict[str, float]:
        """exact-match and f1 in percent over the rows, loss over the windows."""
        positions = [torch.tensor([[row["start_positions"], row["end_positions"]]]) for row in features]
        both = zip(predictions, positions, strict=True)
        losses = [_cross_entropy(logits[None], place).item() for logits, place in both]
        answers, known = zip(*_found(predictions, features), strict=True)
        return {**squad_scores(answers, [row["references"] for row in known]), "loss": float(np.mean(losses))}

    answers_with = "words of a context"

    @property
    def asked_columns(self) -> tuple[str, ...]:
        return ("question", "context")

    def unanswered(self, rows: Sequence[Mapping[str, Any]]) -> Dataset:
        said = asked_cells(rows, self.asked_columns, check_text)
        first = [context.split()[0] for context in said["context"]]
        places = [context.index(word) for context, word in zip(said["context"], first, strict=True)]
        answers = [{"text": [word], "answer_start": [place]} for word, place in zip(first, places, strict=True)]
        columns: dict[str, Any] = {name: list(said[name]) for name in self.asked_columns}
        return Dataset.from_dict({**columns, "answers": answers}, LAYOUT.types)

    def answers(self, predictions: Sequence[Any], features: Features) -> list[dict[str, Any]]:
        return [{"answer": text} for text, _ in _found(predictions, features)]


def make_squad(settings: Settings, folder: LocalFolder | None) -> Squad:
    """The task on the files of `folder`, or from the hub."""
    files = None if folder is None else folder.with_readers(SQUAD_READERS)
    bad_rows = bad_rows_of(settings.task, folder)

    def read(split: Split) -> Dataset:
        if files is None:
            rows = hub.load_hub_split("squad", SQUAD_HUB, None, split)
            return hub.with_hub_origins(rows, bad_rows, split, SQUAD_HUB, split)
        return files.rows(split, LAYOUT, SQUAD_STEMS[split])

    # Two outputs, said aloud: a checkpoint of a classifier may have another number in its configuration.
    return Squad(
        head=Head("question-answering", 2),
        source=read,
        max_rows={"train": settings.task.max_train_rows, "validation": settings.task.max_validation_rows},
        seed=settings.seed,
        stride=settings.task.stride,
        extra_column=settings.partition.column if folder is None else folder.owner.extra_column,
        bad_rows=bad_rows,
    )


def _found(predictions: Sequence[Tensor], features: Features) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The answer to each row, the best span of all its windows, and the last of these."""
    both = zip(features, predictions, strict=True)
    for _, row in groupby(both, key=lambda window: window[0][ROW]):
        spans, known = [], None
        for known, logits in row:
            start, end = logits.numpy().T
            spans += best_spans(start, end, known["offsets"], NUM_BEST, MAX_ANSWER)
        assert known is not None
        yield answer_text(known["context"], spans), known


def _logits(model: nn.Module, batch: Batch) -> Tensor:
    """Start and end logits (b, tokens, 2) in float32, -inf where there is only padding."""
    inputs = {name: tensor for name, tensor in batch.items() if not name.endswith("_positions")}
    output = model(**inputs)
    logits = torch.stack([output.start_logits, output.end_logits], dim=-1).float()
    return logits.masked_fill(batch["attention_mask"][..., None] == 0, -torch.inf)


def _cross_entropy(logits: Tensor, positions: Tensor) -> Tensor:
    """Mean over the windows and both ends; logits (b, tokens, 2), positions (b, 2)."""
    return nn.functional.cross_entropy(logits, positions)
