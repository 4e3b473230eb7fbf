"""Conversations as people write them, as turns of a role and a content."""

from collections.abc import Mapping, Sequence
from typing import Any

from florg_app.tasks.files.canonical import stripped
from florg_app.tasks.files.checks import check_text
from florg_app.tasks.files.json_rows import parsed_or_same
from florg_app.tasks.files.wording import BadCell, DataError
from florg_app.tasks.instruct.prompts import PLAIN, Turn

ROLES: Mapping[str, str] = {
    **{role: role for role in PLAIN},
    "human": "user",
    **dict.fromkeys(("gpt", "chatgpt", "bing", "bard", "model", "bot"), "assistant"),
}
"""Names of those who speak, those of ShareGPT among them, and what PLAIN calls them."""

TOOLS = frozenset({"tool", "function", "function_call", "observation", "ipython", "tool_call", "tool_response"})
"""Roles of turns that call a tool or say what it gave."""

CALLS = ("tool_calls", "function_call", "tool_call_id")
"""Keys of turns that are such whatever their role."""

KEYS = (("role", "content"), ("from", "value"))
"""How a turn names who speaks and what is said; the first of them that it has counts."""

_NO_TOOLS = (
    "which are not trained on; leave such rows out, or write calls and their results as text of the assistant and user"
)


def read_turns(value: Any) -> list[Turn]:
    """The turns of a list, or of a text that is one in JSON. Raises ValueError saying which turn is wrong, and how."""
    if isinstance(value, BadCell):
        raise ValueError(value.problem)
    turns = _listed(value)
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise ValueError('is not a list of {"role": ..., "content": ...} or {"from": ..., "value": ...}')
    read = [_turn(number, turn) for number, turn in enumerate(turns, 1)]
    # An empty turn of the system is how some data sets write that there is none.
    kept = [turn for turn in read if turn["role"] != "system" or turn["content"].strip()]
    for number, turn in enumerate(read, 1):
        if turn in kept:
            try:
                check_text(turn["content"])
            except ValueError as error:
                raise ValueError(f"has a content in turn {number} that {error}") from None
    return kept


def complete_turns(turns: list[Turn]) -> list[Turn]:
    """The turns. Raises ValueError unless the last is the assistant's, with at least one of the user before it."""
    if len(turns) < 2 or turns[-1]["role"] != "assistant":
        raise ValueError("does not end with a turn of the assistant that answers another")
    return turns


def read_conversation(value: Any) -> list[Turn]:
    """Turns that end with a response."""
    return complete_turns(read_turns(value))


def read_system(value: Any) -> str:
    """The text of a column that says what stands before all turns; empty where it says nothing."""
    if value is not None and not isinstance(value, str):
        raise ValueError("is not a text")
    return check_text(value) if value and value.strip() else ""


def read_dialogue(value: Any) -> list[list[str]]:
    """Earlier rounds as pairs of what was asked and answered."""
    pairs = _listed(value) or []
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise ValueError("is not a list of pairs of what was asked and answered")
    return [[check_text(text) for text in pair] for pair in pairs]


def read_no_tools(value: Any) -> str:
    """Nothing. Raises ValueError where a row comes with tools."""
    if _listed(value):
        raise ValueError(f"has tools, {_NO_TOOLS}")
    return ""


def with_system(system: str, turns: Sequence[Turn]) -> list[Turn]:
    """The turns behind what the row says as the system. Raises ValueError where they begin with another such turn."""
    if not system:
        return list(turns)
    if turns[0]["role"] == "system":
        raise ValueError("has words of the system in a column and in a turn; leave one of them")
    return [{"role": "system", "content": system}, *turns]


def _listed(value: Any) -> Any:
    """The value, or what a text says in JSON."""
    if not isinstance(value, str):
        return value
    return parsed_or_same(value) if value.strip() else None


def _turn(number: int, turn: Mapping[str, Any]) -> Turn:
    said = {key: value for key, value in turn.items() if value is not None}
    if any(said.get(key) for key in CALLS):
        raise ValueError(f"has calls of tools in turn {number}, {_NO_TOOLS}")
    names = next((names for names in KEYS if any(name in said for name in names)), None)
    if names is None:
        expected = "expected role and content, or from and value"
        raise DataError(
            f"has the keys {', '.join(map(repr, turn)) or 'none'} in turn {number}; {expected}",
            f"has other keys in turn {number}; {expected}",
        )
    role, content = (said.get(name) for name in names)
    spoken = stripped(role).lower() if isinstance(role, str) else ""
    if spoken in TOOLS:
        raise ValueError(f"has calls of tools in turn {number}, {_NO_TOOLS}")
    if spoken not in ROLES:
        wrong = f"in turn {number}, which is none of {', '.join(ROLES)}"
        raise DataError(f"has the role {role!r} {wrong}", f"has a role {wrong}")
    return {"role": ROLES[spoken], "content": _content(number, content)}


def _content(number: int, content: Any) -> Any:
    """The text of a content, also of one in parts; anything else as it is."""
    if not isinstance(content, list):
        return content
    texts = []
    for part in content:
        text = part if isinstance(part, str) else part.get("text") if isinstance(part, dict) else None
        kind = part.get("type", "text") if isinstance(part, dict) else "text"
        if kind != "text" or not isinstance(text, str):
            wrong = f"in turn {number}, and texts alone are read"
            raise DataError(f"has a part of the type {kind!r} {wrong}", f"has a part of another type {wrong}")
        texts.append(text)
    return "".join(texts)
