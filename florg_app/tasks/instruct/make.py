"""The tasks of instructions from the settings: which rows, from the hub or from files."""

from collections.abc import Mapping
from typing import Any

from datasets import Dataset, Value
from datasets import Features as Columns

from florg_app.config import ConfigError
from florg_app.settings import Settings
from florg_app.tasks import hub
from florg_app.tasks.base import Split
from florg_app.tasks.instruct.sources import CONVERSATION, SOURCES, Shape, Source
from florg_app.tasks.instruct.task import TURNS, Instruct
from florg_app.tasks.local import LocalFolder
from florg_app.tasks.sample import Read, shared_out

SETTINGS = frozenset({"validation_share", "max_new_tokens"})
"""Fields of `TaskSettings` that only some tasks read, these among them."""


def make(name: str, settings: Settings, folder: LocalFolder | None) -> Instruct:
    """The task `name` of SOURCES on the files of `folder`, or from the hub."""
    source, task = SOURCES[name], settings.task
    return Instruct(
        partition_column=source.partition_column,
        source=_reader(name, source, folder, task.validation_share, settings.seed),
        max_rows={"train": task.max_train_rows, "validation": task.max_validation_rows},
        seed=settings.seed,
        skip_long=task.bad_rows == "skip",
        generate_rows=settings.evaluate.generate_rows,
        max_new_tokens=task.max_new_tokens,
        skipped_files={} if folder is None else folder.skipped,
    )


def _reader(name: str, source: Source, folder: LocalFolder | None, share: float, seed: int) -> Read:
    """Validation rows are those of their own file, or else a share of the training rows.

    A client's private rows are not shared out: it trains on all of them.
    """

    def read(split: Split) -> Dataset:
        return _from_hub(name, source) if folder is None else _from_files(source, folder, split)

    private = folder is not None and folder.key != "task.path"
    complete = folder is not None and (private or bool(folder.find(source.stems["validation"])))
    return read if complete else shared_out(read, share, seed)


def _from_hub(name: str, source: Source) -> Dataset:
    if source.hub is None:
        raise ConfigError(
            f'task.path = "": task.name = "{name}" reads your own files; set task.path to a folder with a train '
            f"file, or evaluate.every = 0 where only the clients have data"
        )
    rows = hub.load(name, source.hub, None, "train")
    answered = [place for place, text in enumerate(rows[str(source.response_column)]) if text and text.strip()]
    return _conversations(source, source.shapes[0], rows.select(answered))


def _from_files(source: Source, folder: LocalFolder, split: Split) -> Dataset:
    stems = source.stems[split]
    columns = folder.column_names(split, stems)
    for shape in source.shapes:
        if shape.layout.checks.keys() <= set(columns):
            return _conversations(source, shape, folder.rows(split, shape.layout, stems))
    wanted = " or ".join(", ".join(shape.layout.checks) for shape in source.shapes)
    raise folder.error(
        folder.files(split, stems)[0], f"its columns are {', '.join(columns)}; expected {wanted}; rename them"
    )


def _conversations(source: Source, shape: Shape, rows: Dataset) -> Dataset:
    """The rows as TURNS and the partition column."""
    columns: dict[str, Any] = {TURNS: [shape.turns(row) for row in _each(rows)]}
    types: dict[str, Any] = {TURNS: CONVERSATION}
    if source.partition_column:
        columns[source.partition_column] = rows[source.partition_column][:]
        types[source.partition_column] = Value("string")
    return Dataset.from_dict(columns, Columns(types))


def _each(rows: Dataset) -> list[Mapping[str, Any]]:
    return rows.to_list()
