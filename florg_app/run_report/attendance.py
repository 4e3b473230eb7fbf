"""Who took part when: what became of each partition in each round, and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from florg_app.reports.live_view import LATE
from florg_app.reports.summary import Record
from strategies.exchange.foreign_text import safe_text

NOBODY_ASKED = "a reply from nobody asked"


class Presence(StrEnum):
    """What became of a partition in a round."""

    ACCEPTED = "accepted"
    UNUSED = "unused"  # accepted, but the round was skipped
    LATE = "late"
    REJECTED = "rejected"
    SILENT = "silent"  # asked, and nothing is recorded of it
    IDLE = "idle"  # not asked


@dataclass(frozen=True)
class Attendance:
    """What became of a partition in one round; `reason` where there was something wrong."""

    presence: Presence
    reason: str = ""


@dataclass(frozen=True)
class Refusal:
    """A reply that was not used; `partition` is None of one from nobody asked."""

    t: int
    partition: int | None
    reason: str

    @property
    def late(self) -> bool:
        return self.reason.startswith(LATE)


def refusals(records: Sequence[Record]) -> Iterator[Refusal]:
    """Yield every reply that was not used, in the order of rounds; a client's words are made safe once more."""
    for record in records:
        for rejected in record.get("rejected", ()):
            yield Refusal(record["round"], rejected["partition"], safe_text(rejected["reason"]))


def attendances(records: Sequence[Record]) -> Mapping[int, Mapping[int, Attendance]]:
    """Return by partition, in order, and by round what became of it; rounds without it were idle."""
    found: dict[int, dict[int, Attendance]] = {}
    reasons = {(one.partition, one.t): one for one in refusals(records)}
    for record in records:
        t, accepted = record["round"], set(record.get("accepted", ()))
        named = {p for p, at in reasons if at == t and p is not None}
        for partition in {*record.get("sampled", ()), *accepted, *named}:
            refusal = reasons.get((partition, t))
            found.setdefault(partition, {})[t] = _attendance(partition in accepted, record.get("skipped", ""), refusal)
    return {partition: found[partition] for partition in sorted(found)}


def _attendance(accepted: bool, skipped: str, refusal: Refusal | None) -> Attendance:
    if accepted:
        return Attendance(Presence.UNUSED, safe_text(skipped)) if skipped else Attendance(Presence.ACCEPTED)
    if refusal is None:
        return Attendance(Presence.SILENT, "asked, and nothing is recorded of its answer")
    return Attendance(Presence.LATE if refusal.late else Presence.REJECTED, refusal.reason)
