"""What was measured in the rounds of a run, as points by round: scores, losses, bytes, diagnostics, seconds, memory."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from florg_app.reports.costs import PEAK_BYTES, SERVER_PHASES
from florg_app.reports.summary import LOWER_IS_BETTER, Record, evaluation_line

ByRound = dict[int, float]
"""By round."""

WAYS = ("up", "down")


def score_names(records: Sequence[Record]) -> list[str]:
    """Return the scores of the rounds, the evaluation's first; losses are among them."""
    names = dict.fromkeys(name for record in records for name in evaluation_line(record))
    return sorted(names, key=lambda name: name.startswith("own-"))


def main_score(records: Sequence[Record]) -> str | None:
    """Return the score by which a run is judged at a glance: the first of which more is better, else the first."""
    names = score_names(records)
    return next((name for name in names if name not in LOWER_IS_BETTER), names[0] if names else None)


def score_points(records: Sequence[Record], name: str) -> ByRound:
    return _points(records, lambda record: evaluation_line(record).get(name))


def training_losses(records: Sequence[Record]) -> ByRound:
    """Return the mean of the clients, weighted by their rows."""
    return _points(records, lambda record: (record.get("train") or {}).get("loss"))


def bytes_so_far(records: Sequence[Record], ways: Sequence[str] = WAYS) -> ByRound:
    """Return what all clients and the server have sent by the end of each round, on the wire."""
    sent = (sum((record.get(way) or {}).get("wire-bytes", 0) for way in ways) for record in records)
    return dict(zip((record["round"] for record in records), accumulate(sent), strict=True))


def diagnosed(records: Sequence[Record], name: str) -> Mapping[str, ByRound]:
    """Return a number of the rounds' diagnostics by group of layers."""
    groups = dict.fromkeys(group for record in records for group in record.get("diagnostics") or {})
    found = {g: _points(records, lambda r, g=g: ((r.get("diagnostics") or {}).get(g) or {}).get(name)) for g in groups}
    return {group: points for group, points in found.items() if points}


def seconds_by_phase(records: Sequence[Record]) -> Mapping[str, ByRound]:
    """Return the seconds of each phase of the server, in the order in which phases come."""
    names = dict.fromkeys([*SERVER_PHASES, *(phase for record in records for phase in record.get("seconds") or {})])
    found = {
        name: _points(records, lambda record, name=name: (record.get("seconds") or {}).get(name)) for name in names
    }
    return {name: points for name, points in found.items() if points}


def peak_memory(records: Sequence[Record]) -> Mapping[str, ByRound]:
    """Return the most that the server and the largest client have held by each round."""
    server = _points(records, lambda record: record.get(PEAK_BYTES))
    clients = _points(records, _largest_client)
    return {who: points for who, points in {"server": server, "largest client": clients}.items() if points}


def epsilons(records: Sequence[Record]) -> ByRound:
    return _points(records, lambda record: (record.get("privacy") or {}).get("epsilon"))


def _largest_client(record: Record) -> float | None:
    peaks = (metrics.get(PEAK_BYTES) for metrics in (record.get("clients") or {}).values())
    return max((peak for peak in peaks if peak is not None), default=None)


def _points(records: Sequence[Record], read) -> ByRound:
    found = ((record["round"], read(record)) for record in records)
    return {t: float(value) for t, value in found if value is not None}
