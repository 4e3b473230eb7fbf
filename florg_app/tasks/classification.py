"""What all tasks share that put one text, or a pair of texts, into one of a few classes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase

from clients.architectures import Head
from clients.batches import Batch, Collate
from florg_app.config import ConfigError
from florg_app.settings import Settings
from florg_app.tasks.base import Features, Split, Task
from florg_app.tasks.local import LocalFolder
from strategies.rng import generator


@dataclass(frozen=True, kw_only=True)
class TextClassification(Task):
    """One or two text columns, one label column; cross-entropy, accuracy and F1."""

    head: Head
    label_names: tuple[str, ...]
    text_columns: tuple[str, ...]
    source: Callable[[Split], Dataset]
    """All rows of a split, with at least the text and label columns, labels as class numbers."""
    max_rows: Mapping[Split, int | None]
    """Size of the sample of each split; None = all rows."""
    seed: int
    """Of the samples."""
    label_column: str = "label"
    partition_column: str | None = "label"

    def rows(self, split: Split) -> Dataset:
        rows = self.source(split).select_columns([*self.text_columns, self.label_column])
        wanted = self.max_rows[split]
        if wanted is None or wanted >= len(rows):
            return rows
        sample = generator(self.seed, "task-rows", split).permutation(len(rows))[:wanted]
        return rows.select(np.sort(sample))

    def features(self, rows: Dataset, preprocessor: PreTrainedTokenizerBase, max_length: int) -> Features:
        texts = [rows[column][:] for column in self.text_columns]
        if not texts[0]:
            return []
        pairs = texts[1] if len(texts) == 2 else None
        tokens = preprocessor(texts[0], pairs, truncation="longest_first", max_length=max_length)
        columns: dict[str, Any] = {**tokens, "labels": rows[self.label_column][:]}
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def collate(self, preprocessor: PreTrainedTokenizerBase) -> Collate:
        if preprocessor.pad_token is None:
            raise ConfigError("model.name: its tokenizer has no padding token, which batches of unequal texts need")
        pad = DataCollatorWithPadding(preprocessor)
        return lambda features: dict(pad([dict(example) for example in features]))

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        return nn.functional.cross_entropy(self.predict(model, batch).float(), batch["labels"])

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        """Logits (batch, classes)."""
        return model(**{name: tensor for name, tensor in batch.items() if name != "labels"}).logits

    def score(self, predictions: Sequence[Tensor], features: Features) -> dict[str, float]:
        """accuracy, f1 (of class 1 where there are two classes, else the unweighted mean over classes) and loss."""
        # Here, because scikit-learn takes two seconds to import and a client that only trains never needs it.
        from sklearn.metrics import accuracy_score, f1_score

        labels = torch.tensor([example["labels"] for example in features])
        logits = torch.stack(list(predictions))
        assert logits.shape == (len(labels), len(self.label_names)), logits.shape
        chosen = logits.argmax(-1).numpy()
        average = "binary" if len(self.label_names) == 2 else "macro"
        f1 = f1_score(labels.numpy(), chosen, average=average, zero_division=0)  # pyright: ignore[reportArgumentType]
        return {
            "accuracy": float(accuracy_score(labels.numpy(), chosen)),
            "f1": float(f1),
            "loss": nn.functional.cross_entropy(logits.float(), labels).item(),
        }


def text_classification(
    settings: Settings,
    folder: LocalFolder | None,
    text_columns: tuple[str, ...],
    label_names: tuple[str, ...],
    source: Callable[[Split], Dataset],
) -> TextClassification:
    """The task on the files of `folder`, or on `source` where there is none."""

    def read(split: Split) -> Dataset:
        return source(split) if folder is None else folder.rows(split, text_columns, "label", label_names)

    return TextClassification(
        head=Head("sequence-classification", len(label_names)),
        label_names=label_names,
        text_columns=text_columns,
        source=read,
        max_rows={"train": settings.task.max_train_rows, "validation": settings.task.max_validation_rows},
        seed=settings.seed,
    )
