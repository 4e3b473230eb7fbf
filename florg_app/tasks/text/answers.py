"""What a labelled text is asked for: one of a few classes, or a number on a scale. The head, loss and score of each."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset, Value
from torch import Tensor, nn

from clients.architectures import Head
from florg_app.tasks.files.checks import Check, check_class_number, check_number
from florg_app.tasks.metrics import METRICS_BY_NAME


@dataclass(frozen=True, kw_only=True)
class Answer(ABC):
    """How cells of the label column become a loss and scores."""

    head: Head
    label_names: tuple[str, ...]
    metrics: tuple[str, ...]
    """Keys of METRICS."""
    check: Check
    """Of a cell of the label column."""
    type: ClassLabel | Value
    """Of what the check gives."""

    @abstractmethod
    def divisible(self, rows: Dataset, label_column: str, partition_column: str) -> Dataset:
        """The rows with a column by whose values they can be divided among clients."""

    @abstractmethod
    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over the batch of logits (b, num_labels), in float32."""

    @abstractmethod
    def chosen(self, logits: Tensor) -> np.ndarray:
        """The answers (n) of logits (n, num_labels)."""

    @abstractmethod
    def by_name(self, logits: Tensor) -> list[dict[str, Any]]:
        """What the logits (n, num_labels) say of each row, by name."""

    def score(self, logits: Tensor, labels: Tensor) -> dict[str, float]:
        """Each of `metrics`, and the loss."""
        assert logits.shape == (len(labels), self.head.num_labels), logits.shape
        chosen, truth = self.chosen(logits), labels.numpy()
        scores = {name: METRICS_BY_NAME[name](truth, chosen) for name in self.metrics}
        return {**scores, "loss": self.loss(logits, labels).item()}


class Classes(Answer):
    """Cross-entropy; the largest logit is chosen; rows are divided by class."""

    def divisible(self, rows: Dataset, label_column: str, partition_column: str) -> Dataset:
        assert label_column == partition_column
        return rows

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits.float(), labels)

    def chosen(self, logits: Tensor) -> np.ndarray:
        return logits.argmax(-1).numpy()

    def by_name(self, logits: Tensor) -> list[dict[str, Any]]:
        """class, its probability, and the probabilities of all classes: the softmax."""
        shares = logits.double().softmax(-1).tolist()
        chosen = self.chosen(logits).tolist()
        return [
            {
                "class": self.label_names[number],
                "probability": row[number],
                "probabilities": dict(zip(self.label_names, row, strict=True)),
            }
            for number, row in zip(chosen, shares, strict=True)
        ]


class Scale(Answer):
    """Squared error of one number; rows are divided by its integer part."""

    def divisible(self, rows: Dataset, label_column: str, partition_column: str) -> Dataset:
        return rows.add_column(partition_column, np.floor(rows[label_column][:]).astype(np.int64).tolist())  # pyright: ignore[reportCallIssue]

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.mse_loss(logits.float().squeeze(-1), labels.float())

    def chosen(self, logits: Tensor) -> np.ndarray:
        return logits.float().squeeze(-1).numpy()

    def by_name(self, logits: Tensor) -> list[dict[str, Any]]:
        """value: the number."""
        return [{"value": value} for value in self.chosen(logits).tolist()]


def classes_answer(names: tuple[str, ...], metrics: tuple[str, ...], check: Check | None = None) -> Classes:
    """Classes in the order of their numbers; cells are checked by `check`, or may hold numbers or names."""
    head = Head("sequence-classification", len(names), classes=names)
    check = check or check_class_number(names)
    return Classes(head=head, label_names=names, metrics=metrics, check=check, type=ClassLabel(names=list(names)))


def scale_answer(metrics: tuple[str, ...]) -> Scale:
    """One number."""
    head = Head("sequence-classification", 1, "regression")
    return Scale(head=head, label_names=(), metrics=metrics, check=check_number, type=Value("float32"))
