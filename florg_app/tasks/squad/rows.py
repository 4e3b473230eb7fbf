"""Rows of SQuAD v1.1: the official nested JSON or the hub's columns, and what a row must be."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Features as Columns
from datasets import List, Value

from florg_app.tasks.files.canonical import read_whole
from florg_app.tasks.files.checks import Layout, check_text
from florg_app.tasks.files.json_rows import parse_document, parsed_or_same, read_json
from florg_app.tasks.files.reading import READERS, Readers, with_packed
from florg_app.tasks.files.table import FileTable, table_of
from florg_app.tasks.files.text_file import read_text
from florg_app.tasks.files.wording import DataError, surrounded
from florg_app.tasks.split import Split

SQUAD_STEMS: Mapping[Split, tuple[str, ...]] = {
    "train": ("train", "train-v1.1", "train[-_]subset*"),
    "validation": ("validation", "dev", "dev-v1.1"),
}
"""Names of the files; the official ones among them."""

_NOT_NESTED = "is not SQuAD's nested JSON, data -> paragraphs -> qas"

_WORDS = re.compile(r"\b(what|who|whom|whose|how|when|where|which|why)\b", re.IGNORECASE)


def question_word(question: str) -> str:
    """The first interrogative of a question in lower case, "other" where it has none: what kind of answer it wants."""
    found = _WORDS.search(question)
    return found[1].lower() if found else "other"


def read_squad_json(path: Path) -> FileTable:
    """The official file: data -> paragraphs -> qas; or any other JSON of rows. Raises DataError where it is neither."""
    try:
        document = parse_document(read_text(path))
        data = document.get("data") if isinstance(document, dict) else None
        if not isinstance(data, list) or not any(isinstance(entry, dict) and "paragraphs" in entry for entry in data):
            return read_json(path)
    except DataError as error:
        raise surrounded(f"{_NOT_NESTED}, nor JSON of other rows: ", error) from None
    rows: list[tuple[Any, ...]] = []
    broken: dict[int, str] = {}
    for place, context, qa in _questions(data):
        if not isinstance(qa, dict) or "question" not in qa or "answers" not in qa or context is None:
            broken[len(rows)] = f"({place}) {_NOT_NESTED}"
        rows.append((qa.get("question"), context, qa.get("answers")) if len(rows) not in broken else (None,) * 3)
    names = ("question", "context", "answers")
    return table_of({name: [row[index] for row in rows] for index, name in enumerate(names)}, broken)


SQUAD_READERS: Readers = {**READERS, **with_packed({".json": read_squad_json})}


def _questions(data: Sequence[Any]) -> Iterator[tuple[str, Any, Any]]:
    """Place in the file, context and question of each question; None for what is not as it must be."""
    for article, entry in enumerate(data, 1):
        paragraphs = entry.get("paragraphs") if isinstance(entry, dict) else None
        for paragraph, part in enumerate(paragraphs if isinstance(paragraphs, list) else [None], 1):
            questions = part.get("qas") if isinstance(part, dict) else None
            context = part.get("context") if isinstance(part, dict) else None
            for number, qa in enumerate(questions if isinstance(questions, list) else [None], 1):
                yield f"article {article}, paragraph {paragraph}, question {number}", context, qa


def _answers(value: Any) -> dict[str, list[Any]]:
    """At least one answer, each with its text and first character: as the hub has them, or a list as in the file."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        value = parsed_or_same(value)
    if isinstance(value, list) and all(isinstance(answer, dict) for answer in value):
        value = {key: [answer.get(key) for answer in value] for key in ("text", "answer_start")}
    texts, starts = (value.get(key) for key in ("text", "answer_start")) if isinstance(value, dict) else (None, None)
    if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
        raise ValueError('is not {"text": [...], "answer_start": [...]} with as many numbers as texts')
    if not texts:
        raise ValueError("has no answer, as only SQuAD v2 allows")
    try:
        numbers = [read_whole(start) for start in starts]
    except ValueError:
        raise ValueError("has an answer_start that is no whole number") from None
    return {"text": [check_text(answer) for answer in texts], "answer_start": numbers}


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
