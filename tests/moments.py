"""Rounds of a run, as a client's memory is told them."""

from strategies.lineage import Attempt, Lineage, Moment

FIRST = Lineage("r", (Attempt("a"),))
"""A run that was never interrupted."""


def at(t: int, lineage: Lineage = FIRST) -> Moment:
    """Round t."""
    return Moment(lineage, t)
