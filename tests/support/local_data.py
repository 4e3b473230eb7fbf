"""Folders of rows in every format, and the tasks that read them."""

import csv
import json
from pathlib import Path

import pyarrow
from datasets import Dataset
from pyarrow import parquet

from florg_app.config.parse import parse_settings
from florg_app.tasks.registry import make_task
from florg_app.tasks.split import ORIGIN_COLUMN
from florg_app.tasks.text.labelled_text import LabelledText

ROWS = {
    "sentence1": ['He said "yes".', " 0", "null", "NA"],
    "sentence2": ["a, b", "1", "naïve café", '"'],
    "label": [1, 0, 0, 1],
    "idx": [5, 6, 7, 8],
}


def write(path: Path, rows: dict[str, list]) -> None:
    """The rows in the format of the suffix."""
    lines = [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.table(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    elif path.suffix == ".tsv":
        cells = [list(rows), *[[str(value) for value in line.values()] for line in lines]]
        path.write_text("".join("\t".join(row) + "\n" for row in cells), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows))
            writer.writeheader()
            writer.writerows(lines)


def local_task(folder: Path, name: str = "glue/mrpc", **keys: int | str) -> LabelledText:
    task = make_task(parse_settings({"task.name": name, "task.path": str(folder), **keys}))
    assert isinstance(task, LabelledText)
    return task


def cells_of(rows: Dataset) -> dict[str, list]:
    """The columns of the rows without the one that says where they are from."""
    return {name: column for name, column in rows.to_dict().items() if name != ORIGIN_COLUMN}  # pyright: ignore[reportAttributeAccessIssue]
