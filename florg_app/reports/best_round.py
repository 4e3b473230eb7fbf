"""Which round of a run was its best, and whether it has ceased to get better: from the round records alone.

What is found is the same wherever a run was interrupted and gone on with, since its records are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from florg_app.config.best_settings import OWN_SCORES
from florg_app.reports.summary import LOWER_IS_BETTER, evaluation_line


@dataclass(frozen=True)
class ScoredState:
    """A score of a run's state as it was after round t."""

    t: int
    value: float | None
    """None: it was no number."""


def scored_states(records: Sequence[Mapping[str, Any]], metric: str) -> list[ScoredState]:
    """Return every score of that name. Clients score what they receive: the state after the round before."""
    before = 1 if metric.startswith(OWN_SCORES) else 0
    found = [(record["round"] - before, evaluation_line(record)) for record in records]
    return [ScoredState(t, scores[metric]) for t, scores in found if metric in scores]


def better(metric: str, value: float, than: float, by: float = 0.0) -> bool:
    """Whether a score is better than another by more than `by`."""
    return than - value > by if metric in LOWER_IS_BETTER else value - than > by


def best_state(records: Sequence[Mapping[str, Any]], metric: str) -> ScoredState | None:
    """Return the best one, of equal ones the first; None where there is no score."""
    best: ScoredState | None = None
    for scored in scored_states(records, metric):
        if scored.value is not None and (best is None or better(metric, scored.value, _value(best))):
            best = scored
    return best


def early_stop(records: Sequence[Mapping[str, Any]], metric: str, patience: int, min_delta: float) -> str:
    """Say why a run ends here; empty where it goes on, or patience is 0."""
    best, waited = None, 0
    for scored in scored_states(records, metric) if patience else ():
        if scored.value is not None and (best is None or better(metric, scored.value, _value(best), min_delta)):
            best, waited = scored, 0
        else:
            waited += 1
        if waited >= patience:
            return _ended(metric, best, waited, min_delta, records[-1]["round"])
    return ""


def unknown_metric(records: Sequence[Mapping[str, Any]], metric: str) -> str:
    """Say that no round has a score of that name, with those that there are; empty where one has, or none has any."""
    names = dict.fromkeys(name for record in records for name in evaluation_line(record))
    own = metric.startswith(OWN_SCORES)
    known = [name for name in names if name.startswith(OWN_SCORES) == own]
    if not known or metric in known:
        return ""
    return f'checkpoint.best = "{metric}": the rounds have no such score; choose one of {", ".join(known)}'


def _value(scored: ScoredState) -> float:
    assert scored.value is not None
    return scored.value


def _ended(metric: str, best: ScoredState | None, waited: int, min_delta: float, t: int) -> str:
    by = f" by more than {min_delta:g}" if min_delta else ""
    was = "it never was a number" if best is None else f"it was {_value(best):.4g} after round {best.t}"
    return f"ended early after round {t}: {metric} has not become better{by} in {waited} scored rounds; {was}"
