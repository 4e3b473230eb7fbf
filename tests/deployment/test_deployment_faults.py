"""The quick rows of the table of faults, with real processes, and the table itself."""

from io import StringIO

import pytest
from rich.console import Console

from tests.faults import scenes, table
from tests.faults.fault import Fault, Line, Outcome, Scene, lines_of

QUICK = [scene for scene in scenes.ALL if scene.quick]
ONE, TWO, THREE = (Fault(number, f"fault {number}", "nothing happens") for number in (1, 2, 3))


@pytest.mark.slow
@pytest.mark.parametrize("scene", QUICK, ids=[scene.faults[0].name for scene in QUICK])
def test_the_faults_of_a_scene_end_as_expected(scene, tmp_path):
    lines = lines_of(scene, tmp_path)
    assert [line for line in lines if line.verdict != "as expected"] == []


def test_every_kind_of_fault_has_a_row():
    assert {fault.row for scene in scenes.ALL for fault in scene.faults} == set(range(1, 12))


def test_a_scene_that_breaks_loses_what_was_not_seen_and_says_why(tmp_path):
    def play(folder):
        yield Outcome(True, "all is well")
        raise TimeoutError("it hangs")

    lines = lines_of(Scene((ONE, TWO, THREE), play), tmp_path)
    assert lines == [
        Line(ONE, "as expected", "all is well"),
        Line(TWO, "NOT AS EXPECTED", "TimeoutError: it hangs"),
        Line(THREE, "NOT AS EXPECTED", "not reached"),
    ]
    assert table.status(lines) == 1


def test_a_scene_has_one_outcome_for_each_fault(tmp_path):
    def scene(outcomes):
        return Scene((ONE, TWO), lambda folder: iter([Outcome(True, "seen")] * outcomes))

    assert table.status(lines_of(scene(2), tmp_path)) == 0
    assert table.status(lines_of(scene(1), tmp_path)) == 1
    with pytest.raises(ValueError, match="longer"):
        lines_of(scene(3), tmp_path)


def test_what_the_machine_lacks_is_skipped_with_its_reason_and_is_no_failure(tmp_path):
    def play(folder):
        raise AssertionError("it is played")

    lines = lines_of(Scene((ONE,), play, lacks=lambda: "no root"), tmp_path)
    assert lines == [Line(ONE, "skipped", "no root")]
    assert table.status(lines) == 0


def test_the_table_shows_all_lines_by_row():
    played = [
        Scene((TWO,), lambda folder: iter([Outcome(False, "[red] smoke")])),
        Scene((ONE,), lambda folder: iter([Outcome(True, "nothing")])),
    ]
    found = table.lines(played, Console(file=StringIO()))
    assert [line.fault.row for line in found] == [1, 2]
    printed = StringIO()
    Console(file=printed, width=120).print(table.table(found))
    text = printed.getvalue()
    assert 0 < text.index("as expected") < text.index("NOT AS EXPECTED")
    assert "[red] smoke" in text
