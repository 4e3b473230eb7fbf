"""SOURCES: where instructions with responses are, what is in their rows, and who says what."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from datasets import Features as Columns
from datasets import List, Value

from florg_app.tasks.base import Split
from florg_app.tasks.files.checks import Layout, check_text
from florg_app.tasks.files.folder import SPLIT_STEMS
from florg_app.tasks.files.row_error import DataError
from florg_app.tasks.instruct.prompts import PLAIN, Turn, request


@dataclass(frozen=True)
class RowShape:
    """One way to write a row."""

    layout: Layout
    turns: Callable[[Mapping[str, Any]], list[Turn]]
    """Checked row -> the conversation; its last turn is the response, the assistant's."""


@dataclass(frozen=True)
class Source:
    """One task."""

    shapes: tuple[RowShape, ...]
    """The first one of whose columns none is missing counts."""
    partition_column: str | None = None
    """By whose values rows are divided among clients."""
    hub: str | None = None
    """Has these rows in one split, "train"; None where only files have them."""
    train_stems: tuple[str, ...] = ()
    """Names of its file of all rows besides the usual ones."""
    response_column: str | None = None
    """The hub's rows that have nothing in it are none of the task's."""

    @property
    def stems(self) -> Mapping[Split, tuple[str, ...]]:
        """Names of its files."""
        return {**SPLIT_STEMS, "train": (*SPLIT_STEMS["train"], *self.train_stems)}


def _text_or_nothing(value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise ValueError("is not a text")
    return value or ""


def _conversation(value: Any) -> list[Turn]:
    """Turns, the last of them the assistant's, with at least one before it."""
    if not isinstance(value, list) or not all(isinstance(turn, dict) for turn in value):
        raise ValueError('is not a list of {"role": ..., "content": ...}')
    turns: list[Turn] = [{"role": turn.get("role"), "content": turn.get("content")} for turn in value]
    for number, turn in enumerate(turns, 1):
        if turn["role"] not in PLAIN:
            wrong = f"in turn {number}, which is none of {', '.join(PLAIN)}"
            raise DataError(f"has the role {turn['role']!r} {wrong}", f"has a role {wrong}")
        try:
            check_text(turn["content"])
        except ValueError as error:
            raise ValueError(f"has a content in turn {number} that {error}") from None
    if len(turns) < 2 or turns[-1]["role"] != "assistant":
        raise ValueError("does not end with a turn of the assistant that answers another")
    return turns


def unindented(words: str) -> str:
    """One space for each run of them, none at the start of a line: those of a page's layout would be learned first."""
    return re.sub(r"[^\S\n]+", " ", words).replace("\n ", "\n").strip()


def _columns(
    kind: str | None = None, about: str | None = None, *, asked: str, answered: str, tidy: Callable[[str], str] = str
) -> RowShape:
    """A row with one column for each part: `kind` divides rows, `about` may be empty; responses are made `tidy`."""
    checks = {asked: check_text, **({about: _text_or_nothing} if about else {}), answered: check_text}
    checks |= {kind: check_text} if kind else {}

    def turns(row: Mapping[str, Any]) -> list[Turn]:
        user = request(row[asked], row[about] if about else "")
        return [{"role": "user", "content": user}, {"role": "assistant", "content": tidy(row[answered])}]

    return RowShape(Layout(checks, Columns({name: Value("string") for name in checks})), turns)


CONVERSATION = List({"role": Value("string"), "content": Value("string")})

SOURCES: Mapping[str, Source] = {
    "dolly": Source(
        (_columns("category", "context", asked="instruction", answered="response"),),
        "category",
        "databricks/databricks-dolly-15k",
        ("databricks-dolly-15k",),
        "response",
    ),
    "medquad": Source(
        (_columns("question_type", asked="question", answered="answer", tidy=unindented),),
        "question_type",
        "lavita/MedQuAD",  # two thirds of its rows have lost their answers to copyright
        ("medquad",),
        "answer",
    ),
    "instruct": Source(
        (
            RowShape(
                Layout({"messages": _conversation}, Columns({"messages": CONVERSATION})), lambda row: row["messages"]
            ),
            _columns(about="input", asked="instruction", answered="output"),
            _columns(asked="instruction", answered="output"),
        )
    ),
}
"""By name of the task."""
