"""Rows of SQuAD v1.1: the official nested JSON or the hub's columns, and what a row must be."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Features as Columns
from datasets import List, Value

from florg_app.tasks.base import Split
from florg_app.tasks.files.checks import Layout, check_text
from florg_app.tasks.files.formats import FileColumns
from florg_app.tasks.files.row_error import DataError

SQUAD_STEMS: Mapping[Split, tuple[str, ...]] = {
    "train": ("train", "train-v1.1", "train[-_]subset*"),
    "validation": ("validation", "dev", "dev-v1.1"),
}
"""Names of the files; the official ones among them."""

_WORDS = re.compile(r"\b(what|who|whom|whose|how|when|where|which|why)\b", re.IGNORECASE)


def question_word(question: str) -> str:
    """The first interrogative of a question in lower case, "other" where it has none: what kind of answer it wants."""
    found = _WORDS.search(question)
    return found[1].lower() if found else "other"


def read_json(path: Path) -> FileColumns:
    """The official file: data -> paragraphs -> qas. Raises ValueError where it is no such file."""
    rows: list[tuple[str, str, Any]] = []
    try:
        for article in json.loads(path.read_text(encoding="utf-8-sig"))["data"]:
            for paragraph in article["paragraphs"]:
                rows += [(qa["question"], paragraph["context"], _listed(qa["answers"])) for qa in paragraph["qas"]]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        problem = "is not SQuAD's nested JSON, data -> paragraphs -> qas"
        raise DataError(f"{problem} ({type(error).__name__}: {error})", problem) from error
    names = ("question", "context", "answers")
    return FileColumns({name: [row[index] for row in rows] for index, name in enumerate(names)})


def _listed(answers: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {key: [answer[key] for answer in answers] for key in ("text", "answer_start")}


def _answers(value: Any) -> dict[str, list[Any]]:
    """At least one answer, each with its text and first character."""
    texts, starts = (value.get(key) for key in ("text", "answer_start")) if isinstance(value, dict) else (None, None)
    if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
        raise ValueError('is not {"text": [...], "answer_start": [...]} with as many numbers as texts')
    if not texts:
        raise ValueError("has no answer, as only SQuAD v2 allows")
    if not all(type(start) is int for start in starts):
        raise ValueError("has an answer_start that is no whole number")
    return {"text": [check_text(answer) for answer in texts], "answer_start": starts}


def _in_context(row: Mapping[str, Any]) -> None:
    for answer, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True):
        if start < 0 or row["context"][start : start + len(answer)] != answer:
            where = f"is not at character {start} of the context"
            raise DataError(f"answers: {answer!r} {where}", f"answers: one {where}")


LAYOUT = Layout(
    checks={"question": check_text, "context": check_text, "answers": _answers},
    types=Columns(
        {
            "question": Value("string"),
            "context": Value("string"),
            "answers": {"text": List(Value("string")), "answer_start": List(Value("int32"))},
        }
    ),
    check_row=_in_context,
)
"""What a row must have; title and id are not read."""
