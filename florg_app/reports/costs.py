"""What a run's measured costs (`measure.costs`) add up to. Knows the records' keys alone, and so needs no torch."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

CLIENT, SERVER, PEAK = "client-flops", "server-flops", "server-peak-memory-bytes"
"""The keys of the sums."""


def summarise(records: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Operations per round, the mean of the clients' and the server's, and the server's peak memory in any round.

    {} where nothing was measured; None for what could not be.
    """
    measured = [record for record in records if SERVER in record]
    if not measured:
        return {}
    clients = [client["flops"] for record in measured for client in record["clients"].values() if "flops" in client]
    peaks = [record[PEAK] for record in measured if record[PEAK] is not None]
    return {
        CLIENT: fmean(clients) if clients else None,
        SERVER: fmean(record[SERVER] for record in measured),
        PEAK: max(peaks, default=None),
    }


def line(sums: Mapping[str, float | None], size: Callable[[float], str]) -> str:
    """The sums for people; `size` writes a number of bytes."""
    client, server, peak = sums[CLIENT], sums[SERVER], sums[PEAK]
    memory = "not measurable there" if peak is None else size(peak)
    return f"FLOPs per round: each client {_short(client)}, server {_short(server)}; server peak memory {memory}"


def _short(count: float | None) -> str:
    return "-" if count is None else f"{count:.3g}"
