"""The tasks of GLUE (Wang et al., ICLR 2019, arXiv 1804.07461) with a public validation set, as the hub has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from datasets import ClassLabel, Dataset

from florg_app.config.parse import ConfigError
from florg_app.config.settings import Settings
from florg_app.tasks.files import hub
from florg_app.tasks.files.bad_rows import BadRows
from florg_app.tasks.files.checks import text_layout
from florg_app.tasks.files.folder import LocalFolder, bad_rows_of
from florg_app.tasks.split import Split
from florg_app.tasks.text.answers import classes_answer, scale_answer
from florg_app.tasks.text.labelled_text import LabelledText, labelled_text

GLUE_HUB = "nyu-mll/glue"


@dataclass(frozen=True)
class Further:
    """A second validation set, scored apart."""

    hub_split: str
    stems: tuple[str, ...]
    """Names of its local file."""


@dataclass(frozen=True)
class Glue:
    """The columns, classes and measures of one task."""

    text_columns: tuple[str, ...]
    label_names: tuple[str, ...]
    """In the hub's order, which is not the same for all tasks of entailment; none: a score from 0 to 5."""
    metrics: tuple[str, ...] = ("accuracy",)
    """As GLUE's table reports them."""
    splits: Mapping[Split, str] = field(default_factory=lambda: {"train": "train", "validation": "validation"})
    """The hub's names of the splits."""
    further: Mapping[str, Further] = field(default_factory=dict)


ENTAILMENT = ("entailment", "not_entailment")

GLUE_TASKS: dict[str, Glue] = {
    "cola": Glue(("sentence",), ("unacceptable", "acceptable"), ("matthews", "accuracy")),
    "sst2": Glue(("sentence",), ("negative", "positive")),
    "mrpc": Glue(("sentence1", "sentence2"), ("not_equivalent", "equivalent"), ("accuracy", "f1")),
    "qqp": Glue(("question1", "question2"), ("not_duplicate", "duplicate"), ("accuracy", "f1")),
    "stsb": Glue(("sentence1", "sentence2"), (), ("pearson", "spearman")),
    "mnli": Glue(
        ("premise", "hypothesis"),
        ("entailment", "neutral", "contradiction"),
        splits={"train": "train", "validation": "validation_matched"},
        further={"mismatched": Further("validation_mismatched", ("validation_mismatched", "dev_mismatched"))},
    ),
    "qnli": Glue(("question", "sentence"), ENTAILMENT),
    "rte": Glue(("sentence1", "sentence2"), ENTAILMENT),
    "wnli": Glue(("sentence1", "sentence2"), ENTAILMENT[::-1]),
}


def make_glue(name: str, settings: Settings, folder: LocalFolder | None) -> LabelledText:
    """The GLUE task `name`, from the files of `folder` or from the hub."""
    glue = GLUE_TASKS[name]
    answer = classes_answer(glue.label_names, glue.metrics) if glue.label_names else scale_answer(glue.metrics)
    layout = text_layout(glue.text_columns, "label", answer.check, answer.type)
    bad_rows = bad_rows_of(settings.task, folder)

    def mismatched(further: Further) -> Dataset | None:
        if folder is None:
            return _from_hub(name, "validation", further.hub_split, bad_rows)
        return folder.rows("validation", layout, further.stems) if folder.find("validation", further.stems) else None

    return labelled_text(
        settings,
        folder,
        glue.text_columns,
        answer,
        lambda split: _from_hub(name, split, glue.splits[split], bad_rows),
        bad_rows,
        partition_column=None if glue.label_names else "score",
        further={suffix: partial(mismatched, further) for suffix, further in glue.further.items()},
    )


def _from_hub(name: str, split: Split, part: str, bad_rows: BadRows) -> Dataset:
    """A split with the classes that the table names. Raises ConfigError where it is not to be had, or has others."""
    rows = hub.load_hub_split(f"glue/{name}", GLUE_HUB, name, part)
    label = rows.features["label"]
    found = tuple(label.names) if isinstance(label, ClassLabel) else ()
    if found != GLUE_TASKS[name].label_names:
        raise ConfigError(
            f'task.name = "glue/{name}": {GLUE_HUB} now names its classes {", ".join(found)}; '
            f"expected {', '.join(GLUE_TASKS[name].label_names)}"
        )
    return hub.with_hub_origins(rows, bad_rows, split, GLUE_HUB, part)
