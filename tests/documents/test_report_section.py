"""The section on reports of runs: its commands do what it says, and its table has the page's sections."""

import re

from typer.testing import CliRunner

from florg_app.cli.main import app
from tests.support.documents import document
from tests.support.recorded_runs import usual_rounds, write_recorded_run

PAGE = document("docs/running.md")
SECTION = PAGE.text.split("## A report to show\n")[1].split("\n## ")[0]


def test_its_commands_write_the_files_that_it_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spent = {"privacy": {"epsilon": 2.5, "delta": 1e-5, "rounds": 3}}
    for name in ("florg", "fedit"):
        write_recorded_run(tmp_path / "runs" / name, usual_rounds(**spent), settings={"strategy.name": name})
    commands = [line.split()[1:] for line in re.findall(r"^florg report .*$", SECTION, re.MULTILINE)]
    assert len(commands) == 2
    for words in commands:
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
    for folder in (tmp_path / "runs/florg", tmp_path / "side-by-side"):
        for name in ("report.html", "report.md", "tables", "figures"):
            assert (folder / name).exists(), f"{folder}/{name}"
        titles = re.findall(r"<h2>(.*?)</h2>", (folder / "report.html").read_text())
        assert titles == re.findall(r"^\| ([A-Z][\w ]+) \|", SECTION, re.MULTILINE)
