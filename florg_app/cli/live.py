"""What a terminal shows of a run that goes on: a live view where there is a terminal, plain lines elsewhere."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from florg_app.reports.history import read_history_if_any
from florg_app.reports.live_view import live_view, progress_bar, progress_words
from florg_app.reports.summary import progress_line

Records = Sequence[dict[str, Any]]

_ROUND = re.compile(r"round +(\d+)/(\d+)  ")


def planned_rounds(run_dir: Path) -> int | None:
    """Return how many rounds a run is to have, as its newest checkpoint says; None where there is none yet."""
    from florg_app.checkpoints.checkpoint_file import CHECKPOINT_FILE, read_checkpoint_header

    try:
        return int(json.loads(read_checkpoint_header(run_dir / CHECKPOINT_FILE)["settings"])["num-server-rounds"])
    except (ValueError, LookupError, TypeError):
        return None


def has_terminal(plain: bool) -> bool:
    """Whether a live view is wanted and can be shown."""
    return not plain and sys.stdout.isatty()


@contextmanager
def shown(run_dir: Path, plain: bool) -> Iterator[Callable[[Records], None]]:
    """Yield what shows the records of a run: each call has all of them, those of before too."""
    if not has_terminal(plain):
        yield _Lines(run_dir)
        return
    console = Console(file=sys.stdout)
    with Live(console=console, auto_refresh=False) as live:
        yield lambda records: live.update(live_view(records, planned_rounds(run_dir), console.width), refresh=True)


class _Lines:
    """Prints each round once, as `florg run` does."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir, self._said = run_dir, -1

    def __call__(self, records: Records) -> None:
        new = [record for record in records if record["round"] > self._said]
        planned = planned_rounds(self._run_dir) if new else None
        for record in new:
            for line in progress_line(record, planned or record["round"]):
                print(line, flush=True)
            self._said = record["round"]


class LiveRun:
    """The lines of a run that this command has begun, and below them how far it is, until it ends.

    That is made of the history in the run's folder; where that is on another machine, of the lines alone.
    """

    def __init__(self, run_dir: Path, console: Console) -> None:
        self._run_dir, self._round, self._planned = run_dir, 0, 0
        self._live = Live(console=console, refresh_per_second=2, transient=True)

    def say(self, text: str) -> None:
        """Take a line of the run."""
        self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        if found := _ROUND.match(text):
            self._round, self._planned = int(found[1]), int(found[2])
            records = read_history_if_any(self._run_dir)
            words = progress_words(records, self._planned) if records else f"round {found[1]} of {found[2]}"
            self._live.update(progress_bar(self._round, self._planned, words))

    def __enter__(self) -> "LiveRun":
        self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._live.__exit__(*error)


@contextmanager
def speaking(run_dir: Path, plain: bool, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Yield what takes the lines of a run that this command has begun."""
    if quiet:
        yield lambda text: None
    elif not has_terminal(plain):
        yield lambda text: print(text, flush=True)
    else:
        with LiveRun(run_dir, Console(file=sys.stdout)) as view:
            yield view.say
