"""What a run sends until it reaches a target: one way of counting for all methods.

All clients, both directions apart, adapters and head apart; every round up to and including the one after which the
model first reaches the target. A round's downlink is its broadcast to the clients it sampled, so that the first
broadcast counts as round 1's, and the broadcast of the model that reached the target does not. What clients make from
the seed is not sent and costs nothing. Uploads count where the server accepted them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from statistics import median

from florg_app.compare.report.results import CellResult, ScoredRound
from strategies.exchange.traffic import Traffic


@dataclass(frozen=True)
class Sent:
    """Traffic of all clients, both ways."""

    up: Traffic = field(default_factory=Traffic)
    down: Traffic = field(default_factory=Traffic)

    @property
    def total(self) -> Traffic:
        return self.up + self.down

    def __add__(self, other: "Sent") -> "Sent":
        return Sent(self.up + other.up, self.down + other.down)


@dataclass(frozen=True)
class Reached:
    """The first round after which the score was at the target, and what had been sent by then."""

    t: int
    sent: Sent


@dataclass(frozen=True)
class Middle:
    """Median and range over seeds; None stands for "more than the run sent", larger than any number."""

    median: float | None
    low: float | None
    high: float | None


def cumulative(rounds: Sequence[ScoredRound]) -> list[Sent]:
    """What had been sent by the end of each round."""
    return list(accumulate(Sent(one.up, one.down) for one in rounds))


def to_target(cell: CellResult, target: float, lower_is_better: bool) -> Reached | None:
    """None where no scored round reaches the target."""
    for one, sent in zip(cell.rounds, cumulative(cell.rounds), strict=True):
        if one.score is not None and (one.score <= target if lower_is_better else one.score >= target):
            return Reached(one.t, sent)
    return None


def per_round(cell: CellResult) -> Sent:
    """The mean over the training rounds, in whole numbers; rounds differ where clients miss or a broadcast grows."""
    trained = [one for one in cell.rounds if one.t > 0]
    total = cumulative(trained)[-1] if trained else Sent()
    return Sent(_share(total.up, len(trained)), _share(total.down, len(trained)))


def middle(values: Sequence[float | None]) -> Middle:
    """Median and range where None is larger than any number. Raises statistics.StatisticsError without values."""
    infinite = float("inf")
    known = [infinite if value is None else value for value in values]
    found = (median(known), min(known), max(known))
    return Middle(*(None if value == infinite else float(value) for value in found))


def _share(traffic: Traffic, parts: int) -> Traffic:
    return Traffic(**{name: round(value / max(parts, 1)) for name, value in vars(traffic).items()})
