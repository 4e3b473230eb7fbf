"""A fault, what it should lead to, and what is seen when it is made to happen."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Fault:
    """One line of the table. `row` numbers the kind of fault."""

    row: int
    name: str
    expected: str


@dataclass(frozen=True)
class Outcome:
    """What was seen, and whether it is what was expected."""

    as_expected: bool
    seen: str


@dataclass(frozen=True)
class Scene:
    """Faults that share processes.

    `play` makes them happen in a folder and yields an outcome for each, in order. `lacks` says what this machine is
    without for the scene, empty where it has everything. Quick scenes are among the tests of every day.
    """

    faults: tuple[Fault, ...]
    play: Callable[[Path], Iterator[Outcome]]
    quick: bool = False
    lacks: Callable[[], str] = lambda: ""


@dataclass(frozen=True)
class Line:
    """A fault with how it went."""

    fault: Fault
    verdict: Literal["as expected", "NOT AS EXPECTED", "skipped"]
    seen: str


def lines_of(scene: Scene, folder: Path) -> list[Line]:
    """Play the scene. What breaks it is what is seen of the fault then due; faults after it count as not reached.

    Raises ValueError where there are more outcomes than faults, and whatever breaks a scene that has shown all of them.
    """
    if lacking := scene.lacks():
        return [Line(fault, "skipped", lacking) for fault in scene.faults]
    lines: list[Line] = []
    try:
        for fault, outcome in zip(scene.faults, scene.play(folder), strict=True):
            lines.append(Line(fault, "as expected" if outcome.as_expected else "NOT AS EXPECTED", outcome.seen))
    except Exception as error:
        missed = scene.faults[len(lines) :]
        if not missed:
            raise
        seen = [f"{type(error).__name__}: {error}", *["not reached"] * (len(missed) - 1)]
        lines += [Line(fault, "NOT AS EXPECTED", words) for fault, words in zip(missed, seen, strict=True)]
    return lines
