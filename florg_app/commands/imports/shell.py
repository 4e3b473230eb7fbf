"""Command lines in shell scripts, as far as those of experiments go: variables, continued lines, --name value."""

import re
import shlex
from collections.abc import Sequence
from typing import Any

_ASSIGNED = re.compile(r"^(?:export\s+)?(\w+)=(.*)$", re.MULTILINE)
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


def command_line(script: str, program: str) -> list[str] | None:
    """The words behind `program` (main_sft.py) in a script, its variables filled in; None where it is not started.

    Raises ValueError where quotation is broken or a variable has no value in the script.
    """
    joined = re.sub(r"\\\s*\n", " ", script)
    line = next(
        (line for line in joined.splitlines() if re.search(rf"(^|[\s/]){re.escape(program)}(\s|$)", line)), None
    )
    if line is None:
        return None
    values = {name: _bare(value) for name, value in _ASSIGNED.findall(joined)}
    words = shlex.split(_behind(line, program).rstrip("\\"), comments=True)
    return [_VARIABLE.sub(lambda found: _value(values, found[1]), word) for word in words]


def flags(words: Sequence[str]) -> dict[str, Any]:
    """--name value, --name=value, --name a b as a list, and --name alone as True."""
    found: dict[str, Any] = {}
    name = None
    for word in words:
        if re.match(r"--\w", word):
            name, _, value = word[2:].partition("=")
            name = name.replace("-", "_")
            found[name] = value if value else True
        elif name is None:
            raise ValueError(f"{word!r} stands before any --name")
        else:
            before = found[name]
            found[name] = word if before is True else [*(before if isinstance(before, list) else [before]), word]
    return found


def _behind(line: str, program: str) -> str:
    return line[line.index(program) + len(program) :]


def _bare(value: str) -> str:
    words = shlex.split(value, comments=True)
    return words[0] if words else ""


def _value(values: dict[str, str], name: str) -> str:
    if name not in values:
        raise ValueError(f"${name} has no value in the script; write it there")
    return values[name]
