"""SOURCES: where instructions with responses are, what is in their rows, and who says what."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from datasets import Features as Columns
from datasets import List, Value

from florg_app.tasks.files.checks import Check, Layout, check_text
from florg_app.tasks.files.finding import SPLIT_STEMS
from florg_app.tasks.files.wording import DataError
from florg_app.tasks.instruct.conversations import (
    complete_turns,
    read_conversation,
    read_dialogue,
    read_no_tools,
    read_system,
    read_turns,
    with_system,
)
from florg_app.tasks.instruct.prompts import Turn, request
from florg_app.tasks.split import Split


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
    """The first one counts of which a file has all columns that it needs."""
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


def unindented(words: str) -> str:
    """One space for each run of them, none at the start of a line: those of a page's layout would be learned first."""
    return re.sub(r"[^\S\n]+", " ", words).replace("\n ", "\n").strip()


def _columns(
    kind: str | None = None, about: str | None = None, *, asked: str, answered: str, tidy: Callable[[str], str] = str
) -> RowShape:
    """A row with one column for each part: `kind` divides rows, `about` may be empty; responses are made `tidy`."""
    checks = {asked: check_text, **({about: read_system} if about else {}), answered: check_text}
    checks |= {kind: check_text} if kind else {}

    def turns(row: Mapping[str, Any]) -> list[Turn]:
        user = request(row[asked], row[about] if about else "")
        return [{"role": "user", "content": user}, {"role": "assistant", "content": tidy(row[answered])}]

    return RowShape(Layout(checks, Columns({name: Value("string") for name in checks})), turns)


CONVERSATION = List({"role": Value("string"), "content": Value("string")})

_TEXT = Value("string")


def _shape(
    columns: Mapping[str, tuple[Check, Any]],
    optional: Mapping[str, tuple[Check, Any]],
    turns: Callable[[Mapping[str, Any]], list[Turn]],
) -> RowShape:
    """A row of these columns, each with its check and type, of which the optional ones may be absent from a file."""
    every = {**columns, **optional}
    checks, types = ({name: pair[place] for name, pair in every.items()} for place in (0, 1))

    def check_row(row: Mapping[str, Any]) -> None:
        try:
            complete_turns(turns(row))
        except ValueError as error:
            raise DataError(f"its conversation {error}") from None

    return RowShape(Layout(checks, Columns(types), check_row, frozenset(optional)), turns)


def _conversation_in(column: str) -> RowShape:
    """Turns in one column; beside them the words of the system, in some data sets."""
    return _shape(
        {column: (read_conversation, CONVERSATION)},
        {"system": (read_system, _TEXT), "tools": (read_no_tools, _TEXT)},
        lambda row: with_system(row["system"], row[column]),
    )


def _alpaca(row: Mapping[str, Any]) -> list[Turn]:
    earlier = [
        {"role": role, "content": text}
        for pair in row["history"]
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    last = [
        {"role": "user", "content": request(row["instruction"], row["input"])},
        {"role": "assistant", "content": row["output"]},
    ]
    return with_system(row["system"], [*earlier, *last])


ALPACA = _shape(
    {"instruction": (check_text, _TEXT), "output": (check_text, _TEXT)},
    {
        "input": (read_system, _TEXT),
        "system": (read_system, _TEXT),
        "history": (read_dialogue, List(List(_TEXT))),
    },
    _alpaca,
)


def _side(role: str) -> Check:
    """One side of a conversation in two columns: a text of this role, or turns."""

    def check(value: Any) -> list[Turn]:
        listed = isinstance(value, list) or (isinstance(value, str) and value.lstrip().startswith('[{"'))
        return read_turns(value) if listed else [{"role": role, "content": check_text(value)}]

    return check


PROMPT_AND_COMPLETION = _shape(
    {"prompt": (_side("user"), CONVERSATION), "completion": (_side("assistant"), CONVERSATION)},
    {},
    lambda row: [*row["prompt"], *row["completion"]],
)

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
        (_conversation_in("messages"), _conversation_in("conversations"), ALPACA, PROMPT_AND_COMPLETION),
        train_stems=("alpaca_data",),
    ),
}
"""By name of the task."""
