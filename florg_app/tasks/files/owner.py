"""Whose a training row is: of the client that has its file, or of one to be found by a column."""

from dataclasses import dataclass

from datasets import Dataset, Value

from florg_app.tasks.files.checks import Layout, check_class_name
from florg_app.tasks.split import OWNER_COLUMN, Split


@dataclass(frozen=True)
class Owner:
    """What tells the owners of training rows; nothing does where rows are one client's own, or divided by the label."""

    by_file: bool = False
    """Every file has the rows of one client."""
    column: str | None = None
    """One that training rows must have beside those that the task reads."""

    @property
    def extra_column(self) -> str | None:
        """The column by which training rows are divided, beside those that the task reads."""
        return OWNER_COLUMN if self.by_file else self.column

    def layout(self, split: Split, layout: Layout) -> Layout:
        """What must be in the rows of a split, the owner's column among it."""
        if split != "train" or self.column is None:
            return layout
        return layout.plus(self.column, check_class_name, Value("string"))

    def marked(self, split: Split, rows: Dataset, file: int) -> Dataset:
        """The rows of one file with the column that says so, where the file tells the owner."""
        if split != "train" or not self.by_file:
            return rows
        return rows.add_column(OWNER_COLUMN, [file] * len(rows))  # pyright: ignore[reportCallIssue]
