"""Images of a few classes, for any vision transformer with a classifier."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Any

import torch
from datasets import Dataset
from PIL import Image
from torch import Tensor, nn

from clients.architectures import Head
from clients.batches import Batch, Collate
from florg_app.tasks.base import Features, Preprocessor, Task
from florg_app.tasks.files.asked import asked_cells
from florg_app.tasks.files.bad_rows import BadRows
from florg_app.tasks.files.sampling import Read, sample_rows
from florg_app.tasks.files.wording import surrounded
from florg_app.tasks.images.pixels import Range
from florg_app.tasks.images.rows import check_image_path, open_image
from florg_app.tasks.specimens import NUM_SPECIMENS, specimen_image
from florg_app.tasks.split import Split
from florg_app.tasks.text.answers import Answer

IMAGE, LABEL = "image", "label"


class DecodedImages(Sequence[Mapping[str, Any]]):
    """Rows as examples, each decoded, scaled and normalised when it is asked for: none is kept."""

    def __init__(self, rows: Dataset, processor: Preprocessor, given: Range | None, bad_rows: BadRows) -> None:
        self._rows, self._processor, self._range, self._bad_rows = rows, processor, given, bad_rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        """pixel_values (3, height, width) in float32, and the number of the class.

        Raises ConfigError naming the row whose image cannot be read any more, or, of the hub, never could.
        """
        row = self._rows[index]
        try:
            image = open_image(row[IMAGE], self._range)
        except ValueError as error:
            raise self._bad_rows.error_at(self._rows, index, surrounded("image ", error)) from error
        pixels = self._processor(image, return_tensors="pt")["pixel_values"][0]
        return {"pixel_values": pixels, "labels": row[LABEL]}


@dataclass(frozen=True, kw_only=True)
class Images(Task):
    """One image, one class."""

    head: Head
    label_names: tuple[str, ...]
    partition_column: str | None = LABEL
    extra_column: str | None = None
    answer: Answer
    source: Read
    """All rows of a split, IMAGE and LABEL."""
    max_rows: Mapping[Split, int | None]
    seed: int
    image_range: Range | None = None
    """Black and white of images of more than 8 bits; None = those of `pixels`."""
    bad_rows: BadRows = field(default_factory=BadRows)

    def rows(self, split: Split) -> Dataset:
        return sample_rows(self.source(split), split, self.max_rows[split], self.seed)

    def features(self, rows: Dataset, preprocessor: Preprocessor, max_length: int) -> Features:
        return DecodedImages(rows, preprocessor, self.image_range, self.bad_rows)

    def specimens(self, preprocessor: Preprocessor) -> Dataset:
        """Images of other shapes: batches need one."""
        cells = []
        for number in range(NUM_SPECIMENS):
            file, sides = BytesIO(), (30, 40) if number % 2 else (40, 30)
            Image.fromarray(specimen_image(*sides, f"{IMAGE} {number}")).save(file, "PNG")
            cells.append({"bytes": file.getvalue(), "path": None})
        return Dataset.from_dict({IMAGE: cells, LABEL: [0] * len(cells)})

    def check_preprocessor(self, preprocessor: Preprocessor, max_length: int) -> None:
        """Which images it makes is seen when it makes some."""

    def collate(self, preprocessor: Preprocessor) -> Collate:
        def stack(features: list[Mapping[str, Any]]) -> Batch:
            return {
                "pixel_values": torch.stack([example["pixel_values"] for example in features]),
                "labels": torch.tensor([example["labels"] for example in features]),
            }

        return stack

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        return self.answer.loss(_logits(model, batch), batch["labels"])

    def predict(self, model: nn.Module, batch: Batch) -> Iterator[tuple[Tensor, int]]:
        """Logits (classes) and the class of each image: to ask the features for it would decode them all again."""
        return zip(_logits(model, batch).cpu(), batch["labels"].tolist(), strict=True)

    def score(self, predictions: Sequence[tuple[Tensor, int]], features: Features) -> dict[str, float]:
        logits, labels = zip(*predictions, strict=True)
        return self.answer.score(torch.stack(logits), torch.tensor(labels))

    @property
    def asked_columns(self) -> tuple[str, ...]:
        return (IMAGE,)

    def unanswered(self, rows: Sequence[Mapping[str, Any]]) -> Dataset:
        """The image of a row is the path of its file."""
        cells = asked_cells(rows, (IMAGE,), partial(check_image_path, given=self.image_range))[IMAGE]
        return Dataset.from_dict({IMAGE: list(cells), LABEL: [0] * len(rows)})

    def answers(self, predictions: Sequence[tuple[Tensor, int]], features: Features) -> list[dict[str, Any]]:
        return self.answer.by_name(torch.stack([logits for logits, _ in predictions]))


def _logits(model: nn.Module, batch: Batch) -> Tensor:
    """(b, classes)"""
    dtype = next(model.parameters()).dtype  # of the backbone, whose first layer is a convolution that casts nothing
    return model(pixel_values=batch["pixel_values"].to(dtype)).logits
