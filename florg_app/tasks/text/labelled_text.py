"""What all tasks share that give one label to a text or a pair of texts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import datasets
import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase

from clients.architectures import Head
from clients.batches import Batch, Collate
from florg_app.config.parse import ConfigError
from florg_app.config.settings import Settings
from florg_app.tasks.base import ROW, Features, Task
from florg_app.tasks.encoding import encode_rows
from florg_app.tasks.files.asked import asked_cells
from florg_app.tasks.files.bad_rows import BadRows
from florg_app.tasks.files.checks import check_text, text_layout
from florg_app.tasks.files.folder import LocalFolder
from florg_app.tasks.files.sampling import sample_rows, select_columns
from florg_app.tasks.files.wording import DataError, columns_named
from florg_app.tasks.row_text import row_tokenizer
from florg_app.tasks.specimens import NUM_SPECIMENS, specimen_texts
from florg_app.tasks.split import Split
from florg_app.tasks.text.answers import Answer

SUBSET = "subset"
"""The column that numbers the parts of a validation split that are scored apart; absent where there is one part."""


@dataclass(frozen=True, kw_only=True)
class LabelledText(Task):
    """One or two text columns, one label column; what the label is, the `answer` says."""

    head: Head
    label_names: tuple[str, ...]
    partition_column: str | None
    answer: Answer
    text_columns: tuple[str, ...]
    label_column: str
    source: Callable[[Split], Dataset]
    """All rows of a split, with at least the text and label columns."""
    further: Mapping[str, Callable[[], Dataset | None]]
    """More validation rows by the name that their scores get; None where they are not to be had."""
    max_rows: Mapping[Split, int | None]
    """Size of the sample of each split; None = all rows."""
    seed: int
    """Of the samples."""
    extra_column: str | None = None
    bad_rows: BadRows = field(default_factory=BadRows)

    def rows(self, split: Split) -> Dataset:
        columns = [*self.text_columns, self.label_column]
        rows = select_columns(self.source(split), split, columns, self.extra_column)
        if split == "train":
            return self._sample(split, self.answer.divisible(rows, self.label_column, str(self.partition_column)))
        parts = {0: rows}
        for number, source in enumerate(self.further.values(), 1):
            if (more := source()) is not None:
                parts[number] = select_columns(more, split, columns, None)
        if len(parts) == 1:
            return self._sample(split, rows)
        marked = [part.add_column(SUBSET, [number] * len(part)) for number, part in parts.items()]  # pyright: ignore[reportCallIssue]
        return datasets.concatenate_datasets([self._sample(split, part) for part in marked])

    def features(self, rows: Dataset, preprocessor: PreTrainedTokenizerBase, max_length: int) -> Features:
        texts, tokenizer = [rows[column][:] for column in self.text_columns], row_tokenizer(preprocessor)
        others = {name: rows[name][:] for name in (self.label_column, SUBSET) if name in rows.column_names}

        def encode(places: Sequence[int]) -> Mapping[str, list[Any]]:
            sides = [[side[place] for place in places] for side in texts]
            return tokenizer(*sides, truncation="longest_first", max_length=max_length)

        def refuse(place: int, problem: DataError) -> None:
            self.bad_rows.refuse_at(rows, place, problem)

        found = []
        for places, tokens in encode_rows(encode, range(len(rows)), columns_named(self.text_columns), refuse):
            for place, values in zip(places, zip(*tokens.values(), strict=True), strict=True):
                example = dict(zip(tokens, values, strict=True))
                own = {"labels" if name == self.label_column else name: other[place] for name, other in others.items()}
                found.append({**example, **own, ROW: place})
        return found

    def specimens(self, preprocessor: PreTrainedTokenizerBase) -> Dataset:
        columns: dict[str, Any] = {column: specimen_texts(preprocessor, column) for column in self.text_columns}
        return Dataset.from_dict({**columns, self.label_column: [0] * NUM_SPECIMENS})

    def check_preprocessor(self, preprocessor: PreTrainedTokenizerBase, max_length: int) -> None:
        if preprocessor.pad_token is None:
            raise ConfigError("model.name: its tokenizer has no padding token, which batches of unequal texts need")

    def collate(self, preprocessor: PreTrainedTokenizerBase) -> Collate:
        pad = DataCollatorWithPadding(preprocessor)
        return lambda features: dict(
            pad([{name: value for name, value in example.items() if name not in (SUBSET, ROW)} for example in features])
        )

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        return self.answer.loss(self.predict(model, batch), batch["labels"])

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        """Logits (batch, labels)."""
        return model(**{name: tensor for name, tensor in batch.items() if name != "labels"}).logits

    def score(self, predictions: Sequence[Tensor], features: Features) -> dict[str, float]:
        """The answer's metrics and loss; those of further validation rows have their name appended, without a loss."""
        logits, labels = torch.stack(list(predictions)), torch.tensor([example["labels"] for example in features])
        part = torch.tensor([example.get(SUBSET, 0) for example in features])
        scores = self.answer.score(logits[part == 0], labels[part == 0])
        for number, name in enumerate(self.further, 1):
            if (part == number).any():
                more = self.answer.score(logits[part == number], labels[part == number])
                scores |= {f"{metric}-{name}": more[metric] for metric in self.answer.metrics}
        return scores

    @property
    def asked_columns(self) -> tuple[str, ...]:
        return self.text_columns

    def unanswered(self, rows: Sequence[Mapping[str, Any]]) -> Dataset:
        said = asked_cells(rows, self.text_columns, check_text)
        columns: dict[str, Any] = {column: list(said[column]) for column in self.text_columns}
        return Dataset.from_dict({**columns, self.label_column: [0] * len(rows)})

    def answers(self, predictions: Sequence[Tensor], features: Features) -> list[dict[str, Any]]:
        return self.answer.by_name(torch.stack(list(predictions)))

    def _sample(self, split: Split, rows: Dataset) -> Dataset:
        return sample_rows(rows, split, self.max_rows[split], self.seed)


def labelled_text(
    settings: Settings,
    folder: LocalFolder | None,
    text_columns: tuple[str, ...],
    answer: Answer,
    source: Callable[[Split], Dataset],
    bad_rows: BadRows,
    label_column: str = "label",
    partition_column: str | None = None,
    further: Mapping[str, Callable[[], Dataset | None]] | None = None,
) -> LabelledText:
    """The task on the files of `folder`, or on `source` where there is none; `bad_rows`: those of the folder, if any.

    partition_column: the name of the column that the answer adds; None where rows are divided by the label itself.
    """
    layout = text_layout(text_columns, label_column, answer.check, answer.type)

    def read(split: Split) -> Dataset:
        return source(split) if folder is None else folder.rows(split, layout)

    return LabelledText(
        head=answer.head,
        label_names=answer.label_names,
        partition_column=partition_column or label_column,
        answer=answer,
        text_columns=text_columns,
        label_column=label_column,
        source=read,
        further=further or {},
        max_rows={"train": settings.task.max_train_rows, "validation": settings.task.max_validation_rows},
        seed=settings.seed,
        extra_column=settings.partition.column if folder is None else folder.owner.extra_column,
        bad_rows=bad_rows,
    )
