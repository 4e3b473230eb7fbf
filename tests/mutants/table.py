"""What became of every fault."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.markup import escape
from rich.table import Table

from tests.mutants.mutant import Mutant

Fate = Literal["noticed", "SURVIVED", "RUN BY NO TEST"]


@dataclass(frozen=True)
class Line:
    """A fault, what became of it, and the test that noticed."""

    mutant: Mutant
    fate: Fate
    by: str = ""
    seconds: float = 0.0


def table(lines: Sequence[Line]) -> Table:
    made = Table("fault", "", "by", "s")
    for line in lines:
        style = "green" if line.fate == "noticed" else "red"
        made.add_row(escape(line.mutant.name), f"[{style}]{line.fate}[/]", escape(line.by), f"{line.seconds:.0f}")
    return made


def change(mutant: Mutant) -> str:
    """The lines that differ, as a person would say them."""
    old, new = mutant.old.splitlines(), mutant.new.splitlines()
    pairs = [(a.strip(), b.strip()) for a, b in zip(old, new, strict=False) if a != b]
    rest = [("", extra.strip()) for extra in new[len(old) :]] + [(extra.strip(), "") for extra in old[len(new) :]]
    return "\n".join(f"  - {a}\n  + {b}" for a, b in [*pairs, *rest])


def summary(lines: Sequence[Line]) -> str:
    """Counts by package."""
    counts = Counter((line.mutant.file.partition("/")[0], line.fate) for line in lines)
    packages = sorted({package for package, _ in counts})
    return "; ".join(
        f"{package}: {counts[package, 'noticed']} of {sum(n for (p, _), n in counts.items() if p == package)} noticed"
        for package in packages
    )
