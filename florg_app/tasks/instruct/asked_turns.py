"""What somebody asks a language model, in the forms in which rows for training have it, as turns without a response."""

from collections.abc import Mapping
from typing import Any

from florg_app.config.flat import listed_names
from florg_app.tasks.files.checks import check_text
from florg_app.tasks.instruct.conversations import read_system, read_turns, with_system
from florg_app.tasks.instruct.prompts import Turn, request

PROMPT = "prompt"
"""The column of what is asked where a row has nothing else."""

CONVERSATIONS = ("messages", "conversations")
"""Columns of whole conversations; where the last turn is the assistant's, it is asked for anew."""

INSTRUCTIONS = (PROMPT, "instruction", "question")
ABOUT = ("input", "context")
"""Columns of what is asked, and of what it is about; the first that a row has counts."""


def asked_turns(row: Mapping[str, Any], number: int) -> list[Turn]:
    """The turns before the response that is wanted. Raises ValueError naming the row and what it has to say."""
    try:
        return _turns({name: value for name, value in row.items() if value is not None})
    except ValueError as error:
        raise ValueError(f"row {number}: {error}") from error


def _turns(row: Mapping[str, Any]) -> list[Turn]:
    system = read_system(row.get("system"))
    for name in CONVERSATIONS:
        if name in row:
            turns = read_turns(row[name])
            turns = turns[:-1] if turns and turns[-1]["role"] == "assistant" else turns
            if not turns or turns[-1]["role"] != "user":
                raise ValueError(f"{name} asks nothing: it needs a turn of the user at its end")
            return with_system(system, turns)
    for name in INSTRUCTIONS:
        if name in row:
            about = next((read_system(row[other]) for other in ABOUT if other in row), "")
            return with_system(system, [{"role": "user", "content": request(check_text(row[name]), about)}])
    raise ValueError(
        f"has {listed_names(list(row)) or 'nothing'}; expected one of {listed_names([*INSTRUCTIONS, *CONVERSATIONS])}"
    )
