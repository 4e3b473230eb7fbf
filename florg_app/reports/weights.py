"""What each client counted for: who counted most in a round, and whose weight was lowered."""

from collections.abc import Mapping, Sequence
from typing import Any


def lowered_lines(record: Mapping[str, Any]) -> list[str]:
    """Say of a round whose weight was more than its share, one line each."""
    return [
        f"partition {partition} counts for {share['to']:.3g} of the round instead of {share['of']:.3g}: "
        "more than robust.max-share is spread over the others"
        for partition, share in (record.get("lowered-weights") or {}).items()
    ]


def largest_share(records: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the largest share that one client had of a round, with partition and round; None where none is known."""
    shares = [share for record in records if (share := _largest_of(record)) is not None]
    return max(shares, key=lambda share: share["share"], default=None)


def share_line(largest: Mapping[str, Any]) -> str:
    """Say what `largest_share` found."""
    return (
        f"largest weight of one client: {largest['share']:.3g} of round {largest['round']} "
        f"(partition {largest['partition']})"
    )


def _largest_of(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """The client that counted most in a round, as it was combined; None where nothing was, or nobody knows."""
    raw, lowered = record.get("weights") or {}, record.get("lowered-weights") or {}
    whole = sum(raw.values())
    if record.get("skipped") or not whole:
        return None
    shares = {p: lowered[p]["to"] if p in lowered else weight / whole for p, weight in raw.items()}
    partition = max(shares, key=lambda p: shares[p])
    return {"share": shares[partition], "partition": partition, "round": record["round"]}
