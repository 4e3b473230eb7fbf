"""A fault: one place of one file, written otherwise."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Mutant:
    """`old` occurs exactly once in the file and is replaced by `new`."""

    name: str
    file: str
    """Path below the repository's root."""
    old: str
    new: str
    test: str = ""
    """A test file or test that is to notice it, which is tried first; empty: whichever run the line."""

    def lines(self, text: str) -> range:
        """Numbers of the lines of the file's text that `old` touches. Raises ValueError where it is not there once."""
        if (times := text.count(self.old)) != 1:
            raise ValueError(f"{self.name}: in {self.file} its text occurs {times} times, not once:\n{self.old}")
        before = text[: text.index(self.old)].count("\n")
        return range(before + 1, before + self.old.rstrip("\n").count("\n") + 2)

    def applied(self, text: str) -> str:
        """The file's text with the fault. Raises ValueError."""
        self.lines(text)
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Equivalent:
    """A fault by machine that changes no result, and why."""

    mutant: Mutant
    reason: str


def declared() -> list[Mutant]:
    """The faults made by hand, by file and then as listed."""
    files = sorted((FOLDER / "declared").glob("*.toml"))
    return [Mutant(**table) for file in files for table in tomllib.loads(file.read_text())["mutant"]]


def equivalents() -> list[Equivalent]:
    """Faults that are not counted as survivors."""
    tables = tomllib.loads((FOLDER / "equivalent.toml").read_text())["mutant"]
    return [Equivalent(Mutant(t["file"], t["file"], t["old"], t["new"]), t["reason"]) for t in tables]


def without(mutants: Iterable[Mutant], known: Iterable[Equivalent]) -> list[Mutant]:
    """Those that do not make of their file what an equivalent one makes of it."""
    same = {(e.mutant.file, e.mutant.old.strip(), e.mutant.new.strip()) for e in known}
    return [m for m in mutants if (m.file, m.old.strip(), m.new.strip()) not in same]
