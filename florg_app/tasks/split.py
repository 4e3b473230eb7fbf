"""The parts of a task's rows, and the columns that say where a row is from."""

from typing import Literal

Split = Literal["train", "validation"]

ORIGIN_COLUMN = "florg-origin"
"""The column that says of which file and row a row is, by numbers that `files.bad_rows` knows; absent from what the
application brings itself."""

OWNER_COLUMN = "client-file"
"""The column that says from which file of `task.client-files` a training row is, by number from 0."""
