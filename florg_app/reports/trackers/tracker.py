"""What a tracker does, and those of a run together: whatever fails in one of them is said once and ends it alone."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from florg_app.reports.trackers.numbers import round_numbers


class Tracker(Protocol):
    """A run in another program."""

    def log(self, t: int, numbers: Mapping[str, float]) -> None:
        """Take the numbers of round t."""
        ...

    def end(self, status: str) -> None:
        """Close; `status` is completed, failed or stopped."""
        ...


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told at the beginning."""

    name: str
    folder: Path
    """Of the run, for trackers that write files."""
    settings: Mapping[str, Any]
    begun: int
    """The round after which the run is gone on with; 0: it is new."""


Start = Callable[[TrackedRun], Tracker]

Tell = Callable[[str, int], None]
"""(text, level of logging)"""


class Trackers:
    """All trackers of a run. Nothing that they raise gets out."""

    def __init__(self, starts: Mapping[str, Start], run: TrackedRun, tell: Tell) -> None:
        self._tell, self._live = tell, {}
        for name, start in starts.items():
            self._guarded(name, lambda name=name, start=start: self._live.update({name: start(run)}))

    def log(self, record: Mapping[str, Any]) -> None:
        """Show the record of a round."""
        numbers = round_numbers(record)
        for name, tracker in list(self._live.items()):
            self._guarded(name, lambda tracker=tracker: tracker.log(record["round"], numbers))

    def end(self, status: str) -> None:
        """Close all of them."""
        for name, tracker in list(self._live.items()):
            self._guarded(name, lambda tracker=tracker: tracker.end(status))

    @property
    def names(self) -> Sequence[str]:
        """Of those that have not failed."""
        return list(self._live)

    def _guarded(self, name: str, act: Callable[[], None]) -> None:
        try:
            act()
        except (Exception, SystemExit) as error:  # whatever another program does, the run goes on
            self._live.pop(name, None)
            self._tell(
                f"report.trackers: {name} failed and is left out: {type(error).__name__}: {error}", logging.ERROR
            )
