"""What a run took: operations, seconds by phase and peak memory, on the server and on its clients. Needs no torch."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

FLOPS_OF_CLIENTS, FLOPS_OF_SERVER, PEAK_OF_SERVER = "client-flops", "server-flops", "server-peak-memory-bytes"
"""The keys of the sums."""


def summarise_costs(records: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Operations per round, the mean of the clients' and the server's, and the server's peak memory in any round.

    {} where nothing was measured; None for what could not be.
    """
    measured = [record for record in records if FLOPS_OF_SERVER in record]
    if not measured:
        return {}
    clients = [client["flops"] for record in measured for client in record["clients"].values() if "flops" in client]
    peaks = [record[PEAK_OF_SERVER] for record in measured if record[PEAK_OF_SERVER] is not None]
    return {
        FLOPS_OF_CLIENTS: fmean(clients) if clients else None,
        FLOPS_OF_SERVER: fmean(record[FLOPS_OF_SERVER] for record in measured),
        PEAK_OF_SERVER: max(peaks, default=None),
    }


def cost_line(sums: Mapping[str, float | None], size: Callable[[float], str]) -> str:
    """The sums for people; `size` writes a number of bytes."""
    client, server, peak = sums[FLOPS_OF_CLIENTS], sums[FLOPS_OF_SERVER], sums[PEAK_OF_SERVER]
    memory = "not measurable there" if peak is None else size(peak)
    return f"FLOPs per round: each client {_short(client)}, server {_short(server)}; server peak memory {memory}"


def _short(count: float | None) -> str:
    return "-" if count is None else f"{count:.3g}"


CLIENT_SECONDS, PEAK_BYTES = "client-seconds", "peak-memory-bytes"
"""Keys of the summary; PEAK_BYTES also of a round's record, and of what a client reports."""

SERVER_PHASES = ("load", "train", "aggregate", "evaluate")
"""Of a run, in the order in which they come; "train" is the wait for the clients."""

PHASES: Mapping[str, str] = {"load": "load-seconds", "data": "data-seconds", "train": "seconds"}
"""Phases of a client's round, and the metrics that it reports them by: the model made ready, rows read and tokenised
(later rounds find both in memory), training."""


def summarise_resources(records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Mean and longest seconds of each phase over all uploads; the most memory that a client and the server ever held.

    Without what nobody reported: with differential privacy on the clients they say nothing.
    """
    clients = [client for record in records for client in (record.get("clients") or {}).values()]
    reported = {phase: [client[key] for client in clients if key in client] for phase, key in PHASES.items()}
    held = {
        "client": [client[PEAK_BYTES] for client in clients if PEAK_BYTES in client],
        "server": [record[PEAK_BYTES] for record in records if PEAK_BYTES in record],
    }
    return {
        CLIENT_SECONDS: {
            phase: {"mean": fmean(seconds), "longest": max(seconds)} for phase, seconds in reported.items() if seconds
        },
        PEAK_BYTES: {who: max(peaks) for who, peaks in held.items() if peaks},
    }


def resource_lines(summary: Mapping[str, Any], size: Callable[[float], str]) -> list[str]:
    """The same for people, from the summary of a run; `size` writes a number of bytes."""
    taken, of_clients = summary["seconds"], summary.get(CLIENT_SECONDS, {})
    server = [f"{phase} {taken[phase]:.1f} s" for phase in SERVER_PHASES if phase in taken]
    clients = [f"{phase} {s['mean']:.1f} s (longest {s['longest']:.1f})" for phase, s in of_clients.items()]
    peaks = [f"{who} {size(peak)}" for who, peak in summary.get(PEAK_BYTES, {}).items()]
    titles = {"run": server, "client's round": clients, "peak memory": peaks}
    return [f"{title}: {', '.join(parts)}" for title, parts in titles.items() if parts]
