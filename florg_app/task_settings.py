"""The settings of a task: which rows, in which columns, how long."""

from typing import Annotated, Literal

from annotated_types import Gt, Lt
from pydantic import Field

from florg_app.bounds import Count, Folder, MaxRows, Name, Number
from florg_app.flat import CommaSeparated, Unset
from florg_app.section import Section


class TaskSettings(Section, frozen=True):
    name: Name = "tiny"
    """A key of `tasks.registry.TASKS`."""
    path: Annotated[Folder | None, Unset("", "the hub")] = None
    """Local folder with train and validation files."""
    max_length: Number = 128
    """Tokens of one example; longer ones are truncated."""
    max_train_rows: MaxRows = None
    max_validation_rows: MaxRows = None
    stride: Count = 32
    """Tokens that neighbouring windows of a long context share."""
    bad_rows: Literal["error", "skip"] = "error"
    """What a row of a local file does that the task cannot use: end the run, or be left out and counted."""
    text_columns: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], CommaSeparated()] = ()
    label_column: Name = "label"
    labels: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], CommaSeparated()] = ()
    """Names of the classes; () = those of the training file."""
    image_column: Name = "image"
    hub: Annotated[Name | None, Unset("", "task.path")] = None
    """A data set of the hub with images and their classes."""
    validation_share: Annotated[float, Gt(0), Lt(1)] = 0.05
    """Of the training rows, where the data come without validation rows of their own."""
    max_new_tokens: Number = 128
