"""The report of runs: the same in every form, complete in itself, and in no form a place for others' markup."""

import csv
import html
import re

import pytest
from typer.testing import CliRunner

from florg_app.cli.main import app
from florg_app.run_report.describe import describe_runs, write_run_report
from florg_app.run_report.reported_run import read_reported_runs
from tests.support.recorded_runs import recorded_round, usual_rounds, write_recorded_run
from tests.support.report_pages import Page, markdown_tables

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> \x1b[31mred\u202e [link](http://evil.example) | `code` \"'"
)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """A run with privacy, and its report."""
    spent = {"privacy": {"epsilon": 2.5, "delta": 1e-5, "rounds": 3}}
    settings = {"adapter.rank": 7, "privacy.where": "server"}
    folder = write_recorded_run(tmp_path_factory.mktemp("one") / "run", usual_rounds(**spent), settings=settings)
    write_run_report(folder, read_reported_runs([folder]))
    return folder


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Two runs side by side, the second without diagnostics."""
    folder = tmp_path_factory.mktemp("several")
    first = write_recorded_run(folder / "first", usual_rounds(), settings={"seed": 1})
    other = write_recorded_run(folder / "other", usual_rounds(diagnostics={}), settings={"seed": 2})
    write_run_report(folder, read_reported_runs([first, other]))
    return folder


def page_of(folder):
    return Page((folder / "report.html").read_text())


@pytest.mark.parametrize("which", ["one", "several"])
def test_page_markdown_and_csv_hold_the_same_tables(which, request):
    folder = request.getfixturevalue(which)
    tables = page_of(folder).tables
    assert markdown_tables((folder / "report.md").read_text()) == tables
    for name, rows in tables.items():
        with (folder / "tables" / f"{name}.csv").open(newline="") as file:
            assert len(list(csv.reader(file))) == len(rows), name


@pytest.mark.parametrize("which", ["one", "several"])
def test_the_page_needs_nothing_but_itself(which, request):
    folder = request.getfixturevalue(which)
    page, text = page_of(folder), (folder / "report.html").read_text()
    assert all(source.startswith(("#", "data:image/svg+xml;base64,")) for source in page.sources)
    assert not re.search(r"<script|@import|url\(|<link", text)
    targets = re.findall(r"\]\((\S+?)\)", (folder / "report.md").read_text())
    assert len(targets) > 10
    assert all((folder / target).stat().st_size > 0 for target in targets)


def test_one_run_has_every_section_and_its_numbers(one):
    page = page_of(one)
    titles = re.findall(r"<h2>(.*?)</h2>", (one / "report.html").read_text())
    assert titles == [
        "What was learned",
        "Who took part",
        "What was sent",
        "How it was combined",
        "Time and memory",
        "Privacy",
        "How it was run",
    ]
    assert page.tables["scores"][1] == ["accuracy", "0.4000", "0.7000", "0.7000", "3"]
    assert page.tables["participation"][1:] == [["0", "●", "●", "●"], ["1", "●", "◔", "●"], ["2", "●", "●", "●"]]
    assert page.tables["clients"][1][:5] == ["2", "3", "3", "0", "0"]
    assert page.tables["traffic"][0:2] == [
        ["", "up", "down", "both, until the best accuracy"],
        ["on the wire", "1.5 kB", "1.5 kB", "3.0 kB"],
    ]
    assert ["6x5", "0.25", "3"] in page.tables["combination"]
    assert page.tables["privacy"][1] == ["spent", "2.5", "1e-05", "3", "server"]
    assert ["adapter.rank", "4", "7"] in page.tables["settings"]
    assert "seed" not in [row[0] for row in page.tables["settings"]], "a default is no difference"
    worst = [row[page.tables["rounds"][0].index("worst client")] for row in page.tables["rounds"][1:]]
    assert worst == ["–", "2", "2", "2"]


def test_several_runs_are_columns_and_what_one_lacks_is_absent(several):
    page = page_of(several)
    for name in ("scores", "traffic", "combination", "seconds", "memory", "settings", "origin"):
        assert page.tables[name][0][-2:] == ["first", "other"], name
    assert ["6x5, aggregation error, largest", "0.25", "–"] in page.tables["combination"]
    assert ["seed", "1", "1", "2"] in page.tables["settings"]
    assert {"rounds-1", "rounds-2", "participation-1", "clients-2"} <= page.tables.keys()
    assert "<strong>2</strong>" in (several / "report.html").read_text(), "what differs is bold"


def test_a_section_without_numbers_is_left_out(several):
    assert 'id="privacy"' not in (several / "report.html").read_text()


def test_words_of_a_client_are_text_in_every_form(tmp_path):
    records = [recorded_round(1, {0: 0.5}, 0.5, rejected={1: HOSTILE}, skipped=HOSTILE)]
    folder = write_recorded_run(
        tmp_path / "run", records, status="failed", reason=HOSTILE, settings={"model.name": HOSTILE}
    )
    write_run_report(folder, read_reported_runs([folder]))
    page, text = page_of(folder), (folder / "report.html").read_text()
    assert "<script" not in text
    assert "<img src=x" not in text
    assert not re.search("[\x1b\u202e]", text)
    shown = page.tables["refusals"][1][-1]
    assert shown.startswith("<script>alert(1)</script><img src=x onerror=alert(2)>"), "it is shown as it was said"
    (hint,) = re.findall(r'class="rejected" title="([^"]*)"', text)
    assert html.unescape(hint) == f"partition 1, round 1: rejected: {shown}"
    markdown = (folder / "report.md").read_text()
    assert not re.search(r"<\w|[\x1b\u202e]", markdown)
    assert "](http://evil" not in markdown, "nobody makes a link"
    assert markdown_tables(markdown)["refusals"] == page.tables["refusals"]


def test_writing_again_changes_nothing(one):
    before = {path: path.read_bytes() for path in one.rglob("*") if path.is_file()}
    write_run_report(one, read_reported_runs([one]))
    assert {path: path.read_bytes() for path in one.rglob("*") if path.is_file()} == before


def test_every_picture_can_be_drawn_of_one_point_of_many_rounds_and_of_none(tmp_path):
    for length in (0, 1, 60):
        run = write_recorded_run(tmp_path / str(length), usual_rounds(60)[:length])
        document, drawings = describe_runs(read_reported_runs([run]))
        assert [draw().axes for _, draw in drawings].count([]) == 0
        assert {picture.name for section in document.sections for picture in section.pictures} == {
            picture.name for picture, _ in drawings
        }


def test_a_name_that_looks_like_a_formula_is_a_name(tmp_path):
    folders = [write_recorded_run(tmp_path / name, usual_rounds()) for name in (r"$\broken{", "a$b$")]
    write_run_report(tmp_path, read_reported_runs(folders))
    assert page_of(tmp_path).tables["scores"][0] == ["", r"$\broken{", "a$b$"]


def test_the_command_writes_beside_one_run_and_into_a_folder_of_its_own_for_several(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = [str(write_recorded_run(tmp_path / name, usual_rounds())) for name in ("a", "b")]
    done = CliRunner().invoke(app, ["report", runs[0]])
    assert (done.exit_code, done.output.split()) == (0, [f"{runs[0]}/report.html", f"{runs[0]}/report.md"])
    done = CliRunner().invoke(app, ["report", *runs])
    assert (done.exit_code, done.output.split()) == (0, ["report/report.html", "report/report.md"])
    done = CliRunner().invoke(app, ["report", *runs, "--output", "elsewhere"])
    assert done.exit_code == 0
    assert (tmp_path / "elsewhere" / "report.html").is_file()


def test_the_command_refuses_what_is_no_run_and_what_cannot_be_written(tmp_path):
    refused = CliRunner().invoke(app, ["report", str(tmp_path / "nowhere")])
    assert (refused.exit_code, "holds no run" in refused.stderr) == (2, True)
    run = write_recorded_run(tmp_path / "a", usual_rounds())
    (tmp_path / "file").write_text("")
    refused = CliRunner().invoke(app, ["report", str(run), "--output", str(tmp_path / "file")])
    assert (refused.exit_code, "choose another --output" in refused.stderr) == (2, True)
