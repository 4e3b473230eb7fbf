"""Which attempts make up a run: by it a client knows which of its memories a resumed run goes on from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from strategies.exchange.wire import RUN

ATTEMPTS, OLDEST = "attempts", "oldest-checkpoint"


@dataclass(frozen=True)
class Attempt:
    """One process that worked on a run."""

    name: str
    after: int = 0
    """The round whose checkpoint it goes on from; 0 in the first, which goes on from none."""
    source: str = ""
    """Where that checkpoint lay; empty in the first."""


@dataclass(frozen=True)
class Lineage:
    """The attempts at one run, in order. Each gives up what its predecessors did after the round it goes on from.

    >>> lineage = Lineage("run", (Attempt("first"), Attempt("second", after=4)), oldest=2)
    >>> lineage.made("first", 4), lineage.made("first", 5), lineage.needed([1, 2, 3, 4])
    (True, False, [2, 3, 4])
    """

    run: str
    """The name that a run keeps when it is resumed."""
    attempts: tuple[Attempt, ...]
    oldest: int = 0
    """The oldest round from which the run can be resumed; clients keep what they had then."""

    @property
    def current(self) -> str:
        return self.attempts[-1].name

    def made(self, attempt: str, t: int) -> bool:
        """Whether round t of that attempt is part of the run."""
        names = [a.name for a in self.attempts]
        return attempt in names and all(t <= later.after for later in self.attempts[names.index(attempt) + 1 :])

    def needed(self, rounds: Iterable[int]) -> list[int]:
        """Return the rounds whose client state must be kept, ascending.

        They are the last one at or before the server's oldest checkpoint, and every one after it.
        """
        ordered = sorted(rounds)
        return [t for t in ordered if t <= self.oldest][-1:] + [t for t in ordered if t > self.oldest]

    def as_config(self) -> dict[str, str | int | list[str]]:
        """Return what a train message says of it; sources stay on the server."""
        return {RUN: self.run, ATTEMPTS: [f"{a.after}:{a.name}" for a in self.attempts], OLDEST: self.oldest}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Lineage":
        """Read what `as_config` wrote, sources aside."""
        pairs = [text.split(":", 1) for text in config[ATTEMPTS]]
        attempts = tuple(Attempt(name, int(after)) for after, name in pairs)
        return cls(str(config[RUN]), attempts, int(config[OLDEST]))


@dataclass(frozen=True)
class RoundContext:
    """A round of a run, as a client works on it."""

    lineage: Lineage
    t: int
