"""Seven tasks of GLUE (Wang et al., ICLR 2019, arXiv 1804.07461), as the hub's nyu-mll/glue has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import datasets
from datasets import Dataset

from florg_app.config import ConfigError
from florg_app.settings import Settings
from florg_app.tasks.base import Split
from florg_app.tasks.classification import TextClassification, text_classification
from florg_app.tasks.local import LocalFolder

HUB = "nyu-mll/glue"


@dataclass(frozen=True)
class Glue:
    """The columns and classes of one task."""

    text_columns: tuple[str, ...]
    label_names: tuple[str, ...]
    """In the hub's order, which is not the same for all tasks of entailment."""
    splits: Mapping[Split, str] = field(default_factory=lambda: {"train": "train", "validation": "validation"})
    """The hub's names of the splits."""


TABLE: dict[str, Glue] = {
    "mrpc": Glue(("sentence1", "sentence2"), ("not_equivalent", "equivalent")),
    "qqp": Glue(("question1", "question2"), ("not_duplicate", "duplicate")),
    "mnli": Glue(
        ("premise", "hypothesis"),
        ("entailment", "neutral", "contradiction"),
        {"train": "train", "validation": "validation_matched"},
    ),
    "qnli": Glue(("question", "sentence"), ("entailment", "not_entailment")),
    "wnli": Glue(("sentence1", "sentence2"), ("not_entailment", "entailment")),
    "rte": Glue(("sentence1", "sentence2"), ("entailment", "not_entailment")),
    "sst2": Glue(("sentence",), ("negative", "positive")),
}


def make(name: str, settings: Settings, folder: LocalFolder | None) -> TextClassification:
    """The GLUE task `name`, from the files of `folder` or from the hub."""
    glue = TABLE[name]
    return text_classification(settings, folder, glue.text_columns, glue.label_names, partial(_from_hub, name))


def _from_hub(name: str, split: Split) -> Dataset:
    """A split as downloaded, or as cached by an earlier download. Raises ConfigError where neither is to be had."""
    glue = TABLE[name]
    try:
        rows = datasets.load_dataset(HUB, name, split=glue.splits[split])
    except (OSError, ValueError) as error:
        raise ConfigError(
            f'task.name = "glue/{name}": cannot load {HUB} from the Hugging Face hub ({error}); '
            f"set task.path to a folder with its train and validation files"
        ) from error
    assert isinstance(rows, Dataset)
    if tuple(rows.features["label"].names) != glue.label_names:
        raise ConfigError(
            f'task.name = "glue/{name}": {HUB} now names its classes {", ".join(rows.features["label"].names)}; '
            f"expected {', '.join(glue.label_names)}"
        )
    return rows
