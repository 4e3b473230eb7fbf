"""Progress shows the whole matrix and every running cell on a terminal, and one line per ended cell elsewhere."""

import io

import pytest
from rich.console import Console

from florg_app.compare.matrix.cells import CellSpec
from florg_app.compare.run import progress
from florg_app.compare.run.disk import CellState
from tests.support import compare_runs
from tests.support.clock import clock_of

CELL = CellSpec("cells", "sst2", "florg", 1, 4, {"num-server-rounds": 3})


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """What is seen while one of four cells runs, one having been done before, and then ends, each after a minute."""

    def shown(*, terminal, quiet=False):
        clock, out = clock_of(monkeypatch, progress), io.StringIO()
        console = Console(file=out, force_terminal=terminal, width=100, color_system=None, quiet=quiet)
        matrix = progress.Progress("accuracy", console)
        matrix.expect(4, 1, 0, 12)
        compare_runs.leave_run(tmp_path, {}, [0.25, 0.5])
        clock.sleep(60)
        with matrix.shown():
            matrix.running([(CELL, tmp_path)])
        clock.sleep(60)
        matrix.ended(CELL, tmp_path, CellState("finished"), 61)
        matrix.ended(CELL, tmp_path, CellState("failed", "no luck"), 2)
        return out.getvalue()

    return shown


def test_a_terminal_shows_the_running_cells_and_the_whole(shown):
    text = shown(terminal=True)
    assert "florg on sst2, seed 1  round 1/3  accuracy 0.500" in text
    assert "1 of 4 cells; elapsed 1:00 min, remaining 5:00 min" in text


def test_elsewhere_there_is_one_line_per_ended_cell(shown):
    """What remains is reckoned from the rounds of this call: 8 of 12 after two minutes for 4, then 4 of 12."""
    first, second = shown(terminal=False).splitlines()
    assert first == ("[2/4] florg on sst2, seed 1: accuracy 0.500  61 s; elapsed 2:00 min, remaining 4:00 min")
    assert second == "[3/4] florg on sst2, seed 1: failed: no luck  2 s; elapsed 2:00 min, remaining 1:00 min"


def test_quiet_says_nothing(shown):
    assert shown(terminal=True, quiet=True) == ""
