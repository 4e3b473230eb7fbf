"""Progress shows the whole matrix and every running cell on a terminal, and one line per ended cell elsewhere."""

import io

from rich.console import Console

from florg_app.compare.matrix.cells import CellSpec
from florg_app.compare.run.disk import CellState
from florg_app.compare.run.progress import Progress
from tests.support import compare_runs

CELL = CellSpec("cells", "sst2", "florg", 1, 4, {"num-server-rounds": 3})


def shown(tmp_path, *, terminal, quiet=False):
    """What is seen while one of four cells runs, one having been done before, and then ends."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100, color_system=None, quiet=quiet)
    progress = Progress("accuracy", console)
    progress.expect(4, 1, 0, 12)
    compare_runs.leave_run(tmp_path, {}, [0.25, 0.5])
    with progress.shown():
        progress.running([(CELL, tmp_path)])
    progress.ended(CELL, tmp_path, CellState("finished"), 61)
    progress.ended(CELL, tmp_path, CellState("failed", "no luck"), 2)
    return out.getvalue()


def test_a_terminal_shows_the_running_cells_and_the_whole(tmp_path):
    text = shown(tmp_path, terminal=True)
    assert "florg on sst2, seed 1  round 1/3  accuracy 0.500" in text
    assert "1 of 4 cells; elapsed 0:00 min, remaining 0:0" in text


def test_elsewhere_there_is_one_line_per_ended_cell(tmp_path):
    first, second = shown(tmp_path, terminal=False).splitlines()
    assert first.startswith("[2/4] florg on sst2, seed 1: accuracy 0.500  61 s; elapsed 0:00 min, remaining ")
    assert second.startswith("[3/4] florg on sst2, seed 1: failed: no luck  2 s;")


def test_quiet_says_nothing(tmp_path):
    assert shown(tmp_path, terminal=True, quiet=True) == ""
