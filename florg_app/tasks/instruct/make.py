"""The tasks of instructions from the settings: which rows, from the hub or from files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset
from datasets import Features as Columns

from florg_app.config.parse import ConfigError
from florg_app.config.settings import Settings
from florg_app.tasks.files import hub
from florg_app.tasks.files.bad_rows import BadRows
from florg_app.tasks.files.folder import LocalFolder, bad_rows_of
from florg_app.tasks.files.sampling import Read, in_one, select_columns, shared_out
from florg_app.tasks.files.wording import DataError, columns_named
from florg_app.tasks.instruct.sources import CONVERSATION, SOURCES, RowShape, Source
from florg_app.tasks.instruct.task import TURNS, Instruct
from florg_app.tasks.split import Split

INSTRUCT_SETTINGS = frozenset({"validation_share", "max_new_tokens", "template_date"})
"""Fields of `TaskSettings` that only some tasks read, these among them."""


def make_instruct(name: str, settings: Settings, folder: LocalFolder | None) -> Instruct:
    """The task `name` of SOURCES on the files of `folder`, or from the hub."""
    source, task, bad_rows = SOURCES[name], settings.task, bad_rows_of(settings.task, folder)
    further = settings.partition.column if folder is None else folder.owner.extra_column
    return Instruct(
        partition_column=source.partition_column,
        source=_reader(name, source, folder, bad_rows, further, settings),
        max_rows={"train": task.max_train_rows, "validation": task.max_validation_rows},
        seed=settings.seed,
        template_date=task.template_date.isoformat(),
        extra_column=further,
        generate_rows=settings.evaluate.generate_rows,
        max_new_tokens=task.max_new_tokens,
        bad_rows=bad_rows,
    )


def _reader(
    name: str, source: Source, folder: LocalFolder | None, bad_rows: BadRows, further: str | None, settings: Settings
) -> Read:
    """Validation rows are those of their own file, or else a share of the training rows unless these are a client's."""

    def read(split: Split) -> Dataset:
        if folder is None:
            return _conversations(source, source.shapes[0], _from_hub(name, source, bad_rows), split, further)
        # Each file by itself: those of several clients need not be written in one way.
        parts = [
            _conversations(source, shape, folder.part(split, path, shape.layout, source.stems[split]), split, further)
            for path, shape in _shapes(source, folder, split).items()
        ]
        return in_one(parts)

    complete = folder is not None and folder.has_validation(source.stems["validation"])
    return read if complete else shared_out(read, settings.task.validation_share, settings.seed)


def _from_hub(name: str, source: Source, bad_rows: BadRows) -> Dataset:
    if source.hub is None:
        raise ConfigError(
            f'task.path = "": task.name = "{name}" reads your own files; set task.path to a folder with a train '
            f"file, or evaluate.every = 0 where only the clients have data"
        )
    rows = hub.load_hub_split(name, source.hub, None, "train")
    placed = hub.with_hub_origins(rows, bad_rows, "train", source.hub, "train")
    answered = [place for place, text in enumerate(rows[str(source.response_column)]) if text and text.strip()]
    return placed.select(answered)


def _shapes(source: Source, folder: LocalFolder, split: Split) -> dict[Path, RowShape]:
    """How the rows of each file of a split are written. Raises ConfigError where it is none of the known ways."""
    stems, found = source.stems[split], {}
    for path in folder.files(split, stems):
        columns = folder.names(split, path)
        shape = next((shape for shape in source.shapes if set(shape.layout.required) <= set(columns)), None)
        if shape is None:
            wanted = " or ".join(", ".join(shape.layout.required) for shape in source.shapes)
            expected = f"expected {wanted}; rename the columns, or convert the rows"
            raise folder.error(
                split,
                path,
                DataError(
                    f"its columns are {columns_named(columns)}; {expected}", f"its columns are others; {expected}"
                ),
            )
        found[path] = shape
    return found


def _conversations(source: Source, shape: RowShape, rows: Dataset, split: Split, further: str | None) -> Dataset:
    """The rows as TURNS and the columns by which they can be divided."""
    kept = select_columns(rows, split, [source.partition_column] if source.partition_column else [], further)
    columns: dict[str, Any] = {TURNS: [shape.turns(row) for row in _each(rows)]}
    columns |= {name: kept[name][:] for name in kept.column_names}
    return Dataset.from_dict(columns, Columns({TURNS: CONVERSATION, **kept.features}))


def _each(rows: Dataset) -> list[Mapping[str, Any]]:
    return rows.to_list()
