"""The choice of a grid point by held-out scores. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from florg_app.compare.matrix.matrix import Point
from florg_app.reports.summary import LOWER_IS_BETTER

LAST_ROUNDS = 2
"""Rounds whose scores are averaged: one alone follows the luck of a few held-out rows."""


@dataclass(frozen=True)
class Tried:
    """A point of the grid and what its runs scored."""

    point: Point
    scores: tuple[float | None, ...]
    """One per seed; None of a run that failed or diverged."""
    reason: str = ""
    """Of the first failure."""

    @property
    def mean(self) -> float | None:
        scores = [score for score in self.scores if score is not None]
        return sum(scores) / len(scores) if scores and len(scores) == len(self.scores) else None


def held_out_score(records: Sequence[Mapping[str, Any]], metric: str) -> float | None:
    """What a run's clients gave their models on rows of their own, mean over clients and the last rounds.

    Those of round 1 score the untrained model and do not count. None where the last score is not a number.
    """
    scores = [((record.get("own") or {}).get("mean") or {}).get(metric) for record in records if record["round"] > 1]
    last = scores[-LAST_ROUNDS:]
    numbers = [score for score in last if score is not None and math.isfinite(score)]
    return sum(numbers) / len(numbers) if numbers and len(numbers) == len(last) else None


def choose(tried: Sequence[Tried], metric: str) -> Point | None:
    """The point with the best mean over the seeds, of equal ones the first; None where every point failed."""
    better = min if metric in LOWER_IS_BETTER else max
    scored = [(one.mean, one.point) for one in tried if one.mean is not None]
    return better(scored, key=lambda pair: pair[0])[1] if scored else None


def as_dict(tried: Sequence[Tried], metric: str) -> dict[str, Any]:
    """What tuned.json says of one method on one variant: nothing is chosen where every point failed."""
    points = [
        {"settings": one.point, "score": one.mean, "scores": list(one.scores), "reason": one.reason} for one in tried
    ]
    return {"chosen": choose(tried, metric) or {}, "points": points}
