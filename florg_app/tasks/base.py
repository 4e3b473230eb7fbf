"""What the application asks of a task: rows, features, a loss and a score. The trainer knows no more of it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datasets import Dataset
from torch import Tensor, nn

from clients.architectures import Head
from clients.batches import Batch, Collate
from florg_app.tasks.files.bad_rows import BadRows
from florg_app.tasks.split import Split

Features = Sequence[Mapping[str, Any]]
"""One example each, unpadded: input_ids, attention_mask, ..., labels, and what `Task.score` needs to know of it.

A sequence and no list, so that one of images may decode each when it is asked for. A row may give several features.
"""

Preprocessor = Any
"""A tokenizer or an image processor of transformers, whichever `Task.head` says; a task names the one it takes."""


ROW = "row"
"""In a feature: the place of its row among those it was made of; absent from images, of which each row is one."""


class Task(ABC):
    """A data set, how it becomes tensors, and what is measured on it."""

    head: Head
    """What the model needs on its backbone."""
    label_names: tuple[str, ...]
    """Names of the classes, in the order of their numbers; none where the answer is no class."""
    partition_column: str | None
    """The column of `rows` by whose values rows are divided among clients; None where no column suits that."""
    extra_column: str | None
    """Another column, let through for the training rows to be divided by instead; None where there is none."""

    cacheable: bool = True
    """Whether features follow from their rows and the settings of the task alone, so that they can be kept on disk."""

    bad_rows: BadRows
    """What becomes of rows that it cannot use, and how many were left out so far."""

    @property
    def skipped(self) -> Mapping[tuple[Split, str], int]:
        """Rows left out so far as bad, by split and file; none where task.bad-rows is "error"."""
        return self.bad_rows.counts

    @abstractmethod
    def rows(self, split: Split) -> Dataset:
        """All columns that `features` needs, and the columns for dividing, of a split; the same in every process.

        Raises ConfigError where the data are missing, empty or not as the task expects them.
        """

    @abstractmethod
    def features(self, rows: Dataset, preprocessor: Preprocessor, max_length: int) -> Features:
        """The rows in order, made into examples once, each of at most `max_length` tokens; bad ones are left out.

        Raises ConfigError where a bad row ends the run, or none is left.
        """

    @abstractmethod
    def specimens(self, preprocessor: Preprocessor) -> Dataset:
        """A few rows with made-up content and all columns that `features` needs, of either split; no data are read."""

    @abstractmethod
    def check_preprocessor(self, preprocessor: Preprocessor, max_length: int) -> None:
        """Raise ConfigError where the task cannot make examples with it, whatever the rows are."""

    def longest(self, max_length: int) -> int:
        """Positions that a model may need for an example of at most `max_length` tokens."""
        return max_length

    def reach(self, example: Mapping[str, Any]) -> int:
        """Positions that a model needs for this example of tokens."""
        return len(example["input_ids"])

    @abstractmethod
    def collate(self, preprocessor: Preprocessor) -> Collate:
        """Pads features to the longest of the batch; keeps only tensors that the model, loss or predict needs."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Mean loss of a batch, a float32 scalar, differentiable."""

    @abstractmethod
    def predict(self, model: nn.Module, batch: Batch) -> Iterable[Any]:
        """What `score` needs of each example of a batch, in order: a row of a tensor, a text, or anything else."""

    @abstractmethod
    def score(self, predictions: Sequence[Any], features: Features) -> dict[str, float]:
        """Metrics of a split: one prediction per feature, in order, tensors on the CPU; `loss` is among them."""

    # What the model says of rows whose answer nobody knows.

    @property
    @abstractmethod
    def asked_columns(self) -> tuple[str, ...]:
        """Columns that a row needs to be asked about, in the order in which somebody would say them."""

    @abstractmethod
    def unanswered(self, rows: Sequence[Mapping[str, Any]]) -> Dataset:
        """The rows as `features` takes them, something that is never looked at in the place of the answers.

        Raises ValueError naming the row, from 1, that says too little or what cannot be used.
        """

    @abstractmethod
    def answers(self, predictions: Sequence[Any], features: Features) -> list[dict[str, Any]]:
        """What the model says of each row by name (class and probability, a text, ...), in the order of the rows."""

    def writing(self, max_new_tokens: int | None) -> "Task":
        """The same task with a response to every row, of at most so many tokens; None: what its settings say.

        Raises ValueError where a task whose answers are no written ones is told a number.
        """
        if max_new_tokens is not None:
            raise ValueError(
                f"--max-new-tokens {max_new_tokens}: this task answers with {self.answers_with}, and writes no text; "
                f"leave it out"
            )
        return self

    answers_with: str = "a class"
    """What its answers are, in words."""
