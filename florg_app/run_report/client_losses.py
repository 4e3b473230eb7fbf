"""What each client learned: its losses by round, against those of the others, and who did worst."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from florg_app.reports.summary import Record

Losses = Mapping[int, Mapping[int, float]]
"""By partition and round, the mean training loss; rounds in which it was not accepted, or said none, are left out."""


@dataclass(frozen=True)
class ClientStanding:
    """How one client did over its rounds."""

    partition: int
    first: float
    last: float
    above: float
    """Mean over its rounds of its loss less the mean of all clients of that round, each counting alike."""


def client_losses(records: Sequence[Record], name: str = "loss") -> Losses:
    """Return the losses of all clients that said any, in the order of their partitions."""
    found: dict[int, dict[int, float]] = {}
    for record in records:
        for partition, metrics in (record.get("clients") or {}).items():
            if str(partition).isdecimal() and metrics.get(name) is not None:
                found.setdefault(int(partition), {})[record["round"]] = float(metrics[name])
    return {partition: found[partition] for partition in sorted(found)}


def round_means(losses: Losses) -> dict[int, float]:
    """Return by round the mean over clients, each counting alike."""
    by_round: dict[int, list[float]] = {}
    for found in losses.values():
        for t, loss in found.items():
            by_round.setdefault(t, []).append(loss)
    return {t: fmean(by_round[t]) for t in sorted(by_round)}


def client_standings(losses: Losses) -> list[ClientStanding]:
    """Return how each client did, the worst first."""
    means = round_means(losses)
    found = [
        ClientStanding(p, by[min(by)], by[max(by)], fmean(loss - means[t] for t, loss in by.items()))
        for p, by in losses.items()
    ]
    return sorted(found, key=lambda one: (-one.above, one.partition))


def worst_of_round(losses: Losses, t: int) -> tuple[int, float] | None:
    """Return the client with the largest loss of a round and that loss, of equal ones the first; None without any."""
    there = [(-by[t], p) for p, by in losses.items() if t in by]
    return (min(there)[1], -min(there)[0]) if there else None
