"""What becomes of the settings of another program: a rule for each, and what has no counterpart with the reason."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from florg_app.config.flat import FlatValue


@dataclass(frozen=True)
class Becomes:
    """A setting that is one of ours under another name."""

    key: str
    convert: Callable[[Any], FlatValue] = lambda value: value


@dataclass(frozen=True)
class Lost:
    """A setting without a counterpart."""

    key: str
    value: Any
    why: str


Rule = Becomes | str
"""Ours, or why there is none."""

UNKNOWN = "this project knows no such setting"


@dataclass(frozen=True)
class Translation:
    """An experiment as settings of ours."""

    program: str
    settings: Mapping[str, FlatValue]
    lost: tuple[Lost, ...]
    clients: int | None
    """Simulated clients; None where the source does not say."""
    notes: tuple[str, ...] = ()
    """What to do or to know, a sentence each."""


def by_rules(
    values: Mapping[str, Any], rules: Mapping[str, Rule], read_elsewhere: Sequence[str] = ()
) -> tuple[dict[str, FlatValue], list[Lost]]:
    """The settings that values become by these rules, and those that have no counterpart.

    read_elsewhere: keys that are no business of the rules. Raises ValueError naming a key whose value is not one that
    the other program takes.
    """
    made: dict[str, FlatValue] = {}
    lost = []
    for key, value in values.items():
        if key in read_elsewhere:
            continue
        rule = rules.get(key, UNKNOWN)
        if isinstance(rule, str):
            lost.append(Lost(key, value, rule))
            continue
        try:
            made[rule.key] = rule.convert(value)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{key} = {value!r}: no value that this setting has there ({error})") from error
    return made, lost


DATA_SETS = {"databricks/databricks-dolly-15k": "dolly", "lavita/MedQuAD": "medquad"}
"""Tasks of ours by the data set of the hub; rows of others are read from files."""


def task_of(dataset: str) -> tuple[dict[str, FlatValue], tuple[str, ...]]:
    """The settings of the task on a data set of the hub, and what is to be done about its rows."""
    name = DATA_SETS.get(dataset)
    if name:
        return {"task.name": name}, ()
    return {"task.name": "instruct"}, (
        f"Rows of {dataset} are read from files: put them as train.jsonl (instruction, input, output; or messages) "
        "into a folder, and set task.path to it.",
    )


def batch_settings(size: int, accumulated: int) -> dict[str, FlatValue]:
    """A batch that is taken in parts, whose gradients are added up: the same step."""
    whole: dict[str, FlatValue] = {"train.batch-size": size * accumulated}
    return {**whole, "train.micro-batch-size": size} if accumulated > 1 else whole


def flag(value: Any) -> bool:
    """A truth as command lines and files write it. Raises ValueError."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in ("true", "false", "1", "0", "yes", "no", ""):
        raise ValueError("expected true or false")
    return text in ("true", "1", "yes", "")
