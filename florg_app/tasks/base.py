"""What the application asks of a task: rows, features, a loss and a score. The trainer knows no more of it."""

from abc import ABC, abstractmethod
from typing import Literal

from datasets import Dataset
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from clients.batches import Batch, Collate

Split = Literal["train", "validation"]

Features = list[dict[str, list[int] | int]]
"""One tokenised example each, unpadded: input_ids, attention_mask, ..., labels."""


class Task(ABC):
    """A data set, how it becomes tensors, and what is measured on it."""

    label_names: tuple[str, ...]
    """Names of the classes, in the order of their numbers."""
    label_column: str
    """The column by which rows are divided among clients."""
    text_columns: tuple[str, ...]

    @abstractmethod
    def rows(self, split: Split) -> Dataset:
        """Text and label columns of a split, the same in every process.

        Raises ConfigError where the data are missing, empty or not as the task expects them.
        """

    @abstractmethod
    def features(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Features:
        """The rows in order, tokenised once, each cut to `max_length` tokens."""

    @abstractmethod
    def collate(self, tokenizer: PreTrainedTokenizerBase) -> Collate:
        """Pads features to the longest of the batch, on the tokenizer's padding side."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Mean loss of a batch, a float32 scalar, differentiable."""

    @abstractmethod
    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        """What `score` needs of a batch, with a leading batch axis."""

    @abstractmethod
    def score(self, predictions: Tensor, features: Features) -> dict[str, float]:
        """Metrics of all predictions of a split, on the CPU and in the order of `features`; `loss` is among them."""
