"""Play scenes and print the table: fault, expected, seen."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.faults.fault import Line, Scene, lines_of
from tests.support import patience


def lines(scenes: Iterable[Scene], console: Console) -> list[Line]:
    """Play them one after another, each in a folder of its own that is removed; `console` follows them."""
    found: list[Line] = []
    for scene in scenes:
        patience.begin()
        with tempfile.TemporaryDirectory(prefix="florg-faults-", ignore_cleanup_errors=True) as folder:
            found += lines_of(scene, Path(folder))
        for line in found[-len(scene.faults) :]:
            console.print(f"{line.fault.row} {line.fault.name}: {line.verdict}; {line.seen}", markup=False)
    return sorted(found, key=lambda line: line.fault.row)


def table(found: Sequence[Line]) -> Table:
    made = Table("row", "fault", "expected", "seen", "", show_lines=True)
    style = {"as expected": "green", "skipped": "yellow", "NOT AS EXPECTED": "red"}
    for line in found:
        verdict = f"[{style[line.verdict]}]{line.verdict}[/]"
        made.add_row(str(line.fault.row), line.fault.name, line.fault.expected, escape(line.seen), verdict)
    return made


def status(found: Sequence[Line]) -> int:
    """1 where a fault did not go as expected; what this machine cannot show is no failure."""
    return int(any(line.verdict == "NOT AS EXPECTED" for line in found))
