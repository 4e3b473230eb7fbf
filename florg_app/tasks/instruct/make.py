"""The tasks of instructions from the settings: which rows, from the hub or from files."""

from collections.abc import Mapping
from typing import Any

from datasets import Dataset
from datasets import Features as Columns

from florg_app.config.parse import ConfigError
from florg_app.config.settings import Settings
from florg_app.tasks.base import Split
from florg_app.tasks.files import hub
from florg_app.tasks.files.folder import LocalFolder
from florg_app.tasks.files.row_error import DataError
from florg_app.tasks.files.sampling import Read, select_columns, shared_out
from florg_app.tasks.instruct.sources import CONVERSATION, SOURCES, RowShape, Source
from florg_app.tasks.instruct.task import TURNS, Instruct

INSTRUCT_SETTINGS = frozenset({"validation_share", "max_new_tokens"})
"""Fields of `TaskSettings` that only some tasks read, these among them."""


def make_instruct(name: str, settings: Settings, folder: LocalFolder | None) -> Instruct:
    """The task `name` of SOURCES on the files of `folder`, or from the hub."""
    source, task = SOURCES[name], settings.task
    further = settings.partition.column if folder is None else folder.extra_column
    return Instruct(
        partition_column=source.partition_column,
        source=_reader(name, source, folder, further, task.validation_share, settings.seed),
        max_rows={"train": task.max_train_rows, "validation": task.max_validation_rows},
        seed=settings.seed,
        skip_long=task.bad_rows == "skip",
        extra_column=further,
        generate_rows=settings.evaluate.generate_rows,
        max_new_tokens=task.max_new_tokens,
        skipped_files={} if folder is None else folder.skipped,
    )


def _reader(
    name: str, source: Source, folder: LocalFolder | None, further: str | None, share: float, seed: int
) -> Read:
    """Validation rows are those of their own file, or else a share of the training rows unless these are a client's."""

    def read(split: Split) -> Dataset:
        shape, rows = _from_hub(name, source) if folder is None else _from_files(source, folder, split)
        return _conversations(source, shape, rows, split, further)

    complete = folder is not None and folder.has_validation(source.stems["validation"])
    return read if complete else shared_out(read, share, seed)


def _from_hub(name: str, source: Source) -> tuple[RowShape, Dataset]:
    if source.hub is None:
        raise ConfigError(
            f'task.path = "": task.name = "{name}" reads your own files; set task.path to a folder with a train '
            f"file, or evaluate.every = 0 where only the clients have data"
        )
    rows = hub.load_hub_split(name, source.hub, None, "train")
    answered = [place for place, text in enumerate(rows[str(source.response_column)]) if text and text.strip()]
    return source.shapes[0], rows.select(answered)


def _from_files(source: Source, folder: LocalFolder, split: Split) -> tuple[RowShape, Dataset]:
    stems = source.stems[split]
    columns = folder.column_names(split, stems)
    for shape in source.shapes:
        if shape.layout.checks.keys() <= set(columns):
            return shape, folder.rows(split, shape.layout, stems)
    wanted = " or ".join(", ".join(shape.layout.checks) for shape in source.shapes)
    raise folder.error(
        folder.files(split, stems)[0],
        DataError(
            f"its columns are {', '.join(columns)}; expected {wanted}; rename them",
            f"its columns are not the expected {wanted}; rename them",
        ),
    )


def _conversations(source: Source, shape: RowShape, rows: Dataset, split: Split, further: str | None) -> Dataset:
    """The rows as TURNS and the columns by which they can be divided."""
    kept = select_columns(rows, split, [source.partition_column] if source.partition_column else [], further)
    columns: dict[str, Any] = {TURNS: [shape.turns(row) for row in _each(rows)]}
    columns |= {name: kept[name][:] for name in kept.column_names}
    return Dataset.from_dict(columns, Columns({TURNS: CONVERSATION, **kept.features}))


def _each(rows: Dataset) -> list[Mapping[str, Any]]:
    return rows.to_list()
