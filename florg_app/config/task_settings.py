"""Settings of what is learned: the task, its rows, and how they are read."""

from datetime import date
from typing import Annotated, Literal

from annotated_types import Gt, Lt
from pydantic import Strict

from florg_app.config.flat import Unset, Words
from florg_app.config.section import Count, FolderPath, ImageRange, MaxRows, Names, NonEmpty, Number, Section


class TaskSettings(Section, frozen=True):
    name: NonEmpty = "tiny"
    """A key of `tasks.registry.TASKS`."""
    path: Annotated[FolderPath | None, Unset("", "the hub")] = None
    """Local folder with train and validation files."""
    client_files: Annotated[FolderPath | None, Unset("", "partitions")] = None
    """Folder with one file of training rows per client, in the order of their names; nothing is divided then."""
    cache: Annotated[str, Words('"" (a folder of the Hugging Face cache) | off | a folder')] = ""
    """Where tokenised rows are kept between runs."""
    max_length: Number = 128
    """Tokens of one example; longer ones are truncated."""
    max_train_rows: MaxRows = None
    max_validation_rows: MaxRows = None
    stride: Count = 32
    """Tokens that neighbouring windows of a long context share."""
    bad_rows: Literal["error", "skip"] = "error"
    """What a row of a local file does that the task cannot use: end the run, or be left out and counted."""
    text_columns: Names = ()
    label_column: NonEmpty = "label"
    labels: Names = ()
    """Names of the classes; () = those of the training file."""
    image_column: NonEmpty = "image"
    image_range: Annotated[ImageRange | None, Unset("", "those of the kind of pixels")] = None
    """Values of black and white in images of more than 8 bits."""
    hub: Annotated[NonEmpty | None, Unset("", "task.path")] = None
    """A data set of the hub with images and their classes."""
    validation_share: Annotated[float, Gt(0), Lt(1)] = 0.05
    """Of the training rows, where the data come without validation rows of their own."""
    max_new_tokens: Number = 128
    template_date: Annotated[date, Strict(False), Words("a date such as 2024-07-26")] = date(2024, 7, 26)
    """What chat templates that ask for today's date are given, on all nodes and every day. The default is the one that
    Llama 3 falls back to where there is no clock."""
