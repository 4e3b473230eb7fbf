"""A run is followed from another terminal by its history, and has a live view where it was started."""

import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from florg_app.cli import watch
from florg_app.cli.live import LiveRun, planned_rounds, shown
from florg_app.cli.main import app
from tests.florg_app.test_app import SMALL, run


def write(folder, *records):
    with (folder / "history.jsonl").open("a") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def record(t):
    return {"round": t, "sampled": [0], "accepted": [0], "up": {"wire-bytes": 5}, "down": {"wire-bytes": 5}}


@pytest.mark.parametrize(("status", "code"), [("completed", 0), ("failed", 1), ("stopped", 130)])
def test_each_round_is_said_once_until_the_run_has_ended_as_it_ended(status, code, tmp_path, monkeypatch):
    write(tmp_path, {"round": 0, "evaluation": {"accuracy": 0.5}}, record(1))
    steps = iter([lambda: write(tmp_path, record(2)), lambda: None, lambda: finish()])

    def finish():
        write(tmp_path, record(3))
        (tmp_path / "summary.json").write_text(json.dumps({"status": status}))

    monkeypatch.setattr(watch.time, "sleep", lambda seconds: next(steps)())
    result = CliRunner().invoke(app, ["watch", str(tmp_path)])
    assert result.exit_code == code, result.output
    lines = result.output.splitlines()
    assert [line.split()[1].partition("/")[0] for line in lines[:-1]] == ["0", "1", "2", "3"]
    assert lines[-1] == f"{status}: {tmp_path}"


def test_once_shows_what_there_is_and_a_folder_that_is_not_there_is_refused(tmp_path):
    write(tmp_path, record(1))
    result = CliRunner().invoke(app, ["watch", str(tmp_path), "--once"])
    assert (result.exit_code, result.output.splitlines()[0][:9]) == (0, "round 1/1")
    refused = CliRunner().invoke(app, ["watch", str(tmp_path / "nowhere")])
    assert refused.exit_code == 2
    assert "give the one that `florg run` names" in refused.stderr


def test_the_planned_rounds_are_those_of_the_runs_settings(tmp_path):
    folder = run(tmp_path / "run", 2, **{**SMALL, "num-server-rounds": 1})
    assert planned_rounds(folder) == 1
    assert planned_rounds(tmp_path) is None


def test_a_terminal_gets_a_table_that_is_drawn_anew_and_plain_wins(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    with shown(tmp_path, plain=False) as show:
        show([record(1)])
        show([record(1), record(2)])
    assert "clients" in terminal.getvalue()
    assert "\x1b[" in terminal.getvalue()
    before = len(terminal.getvalue())
    with shown(tmp_path, plain=True) as show:
        show([record(1)])
    assert terminal.getvalue()[before:].startswith("round 1/1  clients 1/1")
    assert "\x1b[" not in terminal.getvalue()[before:]


@pytest.mark.parametrize("place", ["here", "elsewhere"])
def test_a_run_at_a_terminal_keeps_its_lines_and_says_below_them_how_far_it_is(place, tmp_path):
    if place == "here":  # of a simulation or an inline run; that of a deployment has no history on this machine
        write(tmp_path, record(1))
    terminal = io.StringIO()
    with LiveRun(tmp_path, Console(file=terminal, force_terminal=True, width=100)) as view:
        view.say("round 1/4  clients 1/1  [loss] 0.5")
        view.say("partition 3 rejected: it is late")
        view._live.refresh()
    said = terminal.getvalue()
    assert "round 1/4  clients 1/1  [loss] 0.5\n" in said
    assert "partition 3 rejected: it is late\n" in said
    words = "round 1 of 4; 1 accepted, 0 late, 0 rejected; up 5 B down 5 B" if place == "here" else "round 1 of 4"
    assert words in said
