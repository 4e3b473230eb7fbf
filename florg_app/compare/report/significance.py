"""Means over seeds, and which of them differ from the best by more than chance."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy import stats

LEVEL = 0.05

_EQUAL = 1e-12
"""Differences whose spread is below this share of the scores are taken as equal: what is left is rounding."""

Scores = Mapping[int, float]
"""Of one label, by seed."""


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of n values; one value has no deviation."""

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True)
class Difference:
    """How far a label stays behind the best, on the seeds that both have."""

    seeds: int
    mean: float | None
    """Positive where the best is better; None without a common seed."""
    interval: tuple[float, float] | None
    """95 % confidence interval of `mean`, of this comparison alone."""
    p: float | None
    """Holm-adjusted, two-sided; None where the test does not apply."""

    @property
    def significant(self) -> bool:
        return self.p is not None and self.p < LEVEL and (self.mean or 0.0) > 0


@dataclass(frozen=True)
class Ranking:
    """The label with the best mean, and every other one's difference to it."""

    best: str
    behind: Mapping[str, Difference]

    @property
    def leads(self) -> bool:
        """The best is significantly better than every other label."""
        return all(difference.significant for difference in self.behind.values())

    def among_best(self, label: str) -> bool:
        """Nothing shows that this label is worse than the best; so of the best itself, unless it leads."""
        if label == self.best:
            return not self.leads
        return label in self.behind and not self.behind[label].significant


def spread(values: Sequence[float]) -> Spread:
    """Raises statistics.StatisticsError without values."""
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


def rank(scores: Mapping[str, Scores], lower_is_better: bool) -> Ranking | None:
    """Compare every label with the best by paired t-tests over common seeds, Holm-adjusted for their number.

    The best is the best mean over the seeds a label has. A pair with fewer than two common seeds, or whose differences
    do not vary at all, has no test and counts as not different. None where there are no two labels, or the best has
    fewer than two seeds: nothing can be said then.
    """
    scores = {label: found for label, found in scores.items() if found}
    sign = -1 if lower_is_better else 1
    best = max(scores, key=lambda label: sign * fmean(scores[label].values()), default=None)
    if best is None or len(scores) < 2 or len(scores[best]) < 2:
        return None
    raw = {label: _paired(scores[best], found, sign) for label, found in scores.items() if label != best}
    tested = {label: found.p for label, found in raw.items() if found.p is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return Ranking(
        best, {label: Difference(d.seeds, d.mean, d.interval, adjusted.get(label)) for label, d in raw.items()}
    )


def holm(ps: Sequence[float]) -> list[float]:
    """Step-down adjusted p-values (Holm 1979): p_(j) times the number not smaller, running maximum, at most 1."""
    adjusted = [1.0] * len(ps)
    highest = 0.0
    for smaller, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        highest = max(highest, min(1.0, (len(ps) - smaller) * ps[index]))
        adjusted[index] = highest
    return adjusted


def _paired(best: Scores, other: Scores, sign: int) -> Difference:
    """With the p-value of this test alone."""
    seeds = sorted(best.keys() & other.keys())
    differences = [sign * (best[seed] - other[seed]) for seed in seeds]
    if len(seeds) < 2:
        return Difference(len(seeds), fmean(differences) if differences else None, None, None)
    size = max(math.fabs(value) for seed in seeds for value in (best[seed], other[seed]))
    if stdev(differences) <= _EQUAL * size:
        return Difference(len(seeds), fmean(differences), None, None)
    firsts, seconds = ([sign * scores[seed] for seed in seeds] for scores in (best, other))
    test = stats.ttest_rel(firsts, seconds)
    low, high = test.confidence_interval(0.95)
    return Difference(len(seeds), fmean(differences), (float(low), float(high)), float(test.pvalue))
