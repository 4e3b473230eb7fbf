"""Rounds of a run, as a client's memory is told them."""

from strategies.exchange.lineage import Attempt, Lineage, RoundContext

FIRST = Lineage("r", (Attempt("a"),))
"""A run that was never interrupted."""


def at(t: int, lineage: Lineage = FIRST) -> RoundContext:
    """Round t."""
    return RoundContext(lineage, t)
