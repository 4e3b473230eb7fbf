"""Progress over the whole matrix: live on a terminal, one line per ended cell elsewhere."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from florg_app.compare.matrix.cells import CellSpec
from florg_app.compare.run.disk import CellState
from florg_app.reports.history import HISTORY, read_history
from florg_app.reports.summary import evaluation_line


class Progress:
    """Counts cells and rounds, from what `expect` was told last."""

    def __init__(self, metric: str, console: Console) -> None:
        self._cells = self._done = self._failed = self._rounds_to_do = self._rounds_done = 0
        self._metric, self._console, self._started = metric, console, time.monotonic()
        self._live: Live | None = None
        self._seen: dict[Path, tuple[int, tuple[int, str]]] = {}

    def expect(self, cells: int, done: int, failed: int, rounds_to_do: int) -> None:
        """Of `cells`, `done` and `failed` need no run (any more); the others have `rounds_to_do`."""
        self._cells, self._done, self._failed = cells, done, failed
        self._rounds_to_do = self._rounds_done + rounds_to_do

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw on the terminal, where there is one, for as long as this lasts."""
        if not self._console.is_terminal or self._console.quiet:
            yield
            return
        with Live(console=self._console, refresh_per_second=4) as self._live:
            yield
        self._live = None

    def say(self, text: str) -> None:
        """A line for the person at the terminal, above what is drawn."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def running(self, cells: Sequence[tuple[CellSpec, Path]]) -> None:
        """What is at work now, with the folder of each."""
        if self._live is None:
            return
        rows = [(cell, self._round(folder)) for cell, folder in cells]
        table = Table.grid(padding=(0, 2))
        for cell, (done, score) in rows:
            table.add_row(Text(str(cell)), f"round {max(done, 0)}/{cell.rounds}", Text(score))
        whole = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=max(self._cells, 1), completed=self._done + self._failed, width=16)
        whole.add_row(bar, Text(self._overall(sum(done + 1 for _, (done, _) in rows))))
        self._live.update(Group(table, whole))

    def ended(self, cell: CellSpec, folder: Path, state: CellState, seconds: float) -> None:
        """A cell has been run."""
        self._rounds_done += cell.rounds + 1
        self._done += state.status == "finished"
        self._failed += state.status != "finished"
        outcome = self._round(folder)[1] if state.status == "finished" else f"{state.status}: {state.reason}"
        self.say(f"[{self._done + self._failed}/{self._cells}] {cell}: {outcome}  {seconds:.0f} s; {self._rest(0)}")

    def _overall(self, rounds_running: int) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{self._done} of {self._cells} cells{failed}; {self._rest(rounds_running)}"

    def _rest(self, rounds_running: int) -> str:
        """Elapsed and remaining time, the latter from the rounds that this call has run."""
        elapsed, rounds = time.monotonic() - self._started, self._rounds_done + rounds_running
        left = "?" if rounds == 0 else _duration(elapsed * max(self._rounds_to_do - rounds, 0) / rounds)
        return f"elapsed {_duration(elapsed)}, remaining {left}"

    def _round(self, folder: Path) -> tuple[int, str]:
        """The last round of a run and its score; (-1, "") before round 0 is over."""
        history = folder / HISTORY
        try:
            size = history.stat().st_size
            if folder not in self._seen or self._seen[folder][0] != size:
                self._seen[folder] = (size, _last(folder, self._metric))
        except OSError:
            return -1, ""
        return self._seen[folder][1]


def _last(folder: Path, metric: str) -> tuple[int, str]:
    records = read_history(folder)
    for record in reversed(records):
        scores = evaluation_line(record)
        for name in (metric, f"own-{metric}"):
            if scores.get(name) is not None:
                return records[-1]["round"], f"{name} {scores[name]:.3f}"
    return (records[-1]["round"] if records else -1), ""


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes}:{rest:02d} min"
