"""What a run took: seconds by phase and peak memory, on the server and on its clients. Needs no torch."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

CLIENT_SECONDS, PEAK = "client-seconds", "peak-memory-bytes"
"""Keys of the summary; PEAK also of a round's record, and of what a client reports."""

SERVER_PHASES = ("load", "train", "aggregate", "evaluate")
"""Of a run, in the order in which they come; "train" is the wait for the clients."""

PHASES: Mapping[str, str] = {"load": "load-seconds", "data": "data-seconds", "train": "seconds"}
"""Phases of a client's round, and the metrics that it reports them by: the model made ready, rows read and tokenised
(later rounds find both in memory), training."""


def summarise(records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Mean and longest seconds of each phase over all uploads; the most memory that a client and the server ever held.

    Without what nobody reported: with differential privacy on the clients they say nothing.
    """
    clients = [client for record in records for client in (record.get("clients") or {}).values()]
    reported = {phase: [client[key] for client in clients if key in client] for phase, key in PHASES.items()}
    held = {
        "client": [client[PEAK] for client in clients if PEAK in client],
        "server": [record[PEAK] for record in records if PEAK in record],
    }
    return {
        CLIENT_SECONDS: {
            phase: {"mean": fmean(seconds), "longest": max(seconds)} for phase, seconds in reported.items() if seconds
        },
        PEAK: {who: max(peaks) for who, peaks in held.items() if peaks},
    }


def lines(summary: Mapping[str, Any], size: Callable[[float], str]) -> list[str]:
    """The same for people, from the summary of a run; `size` writes a number of bytes."""
    taken, of_clients = summary["seconds"], summary.get(CLIENT_SECONDS, {})
    server = [f"{phase} {taken[phase]:.1f} s" for phase in SERVER_PHASES if phase in taken]
    clients = [f"{phase} {s['mean']:.1f} s (longest {s['longest']:.1f})" for phase, s in of_clients.items()]
    peaks = [f"{who} {size(peak)}" for who, peak in summary.get(PEAK, {}).items()]
    titles = {"run": server, "client's round": clients, "peak memory": peaks}
    return [f"{title}: {', '.join(parts)}" for title, parts in titles.items() if parts]
