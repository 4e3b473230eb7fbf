"""What is written about a comparison: the same in every form, loud where something is missing."""

import csv
import html
import io
import re
from html.parser import HTMLParser

import pytest

from florg_app.compare.figures import draw
from florg_app.compare.page import as_html
from florg_app.compare.report import describe, write
from florg_app.compare.results import read
from florg_app.compare.tables import to_csv
from tests.comparisons import NOTHING, UP, history, write_comparison

VOID = {"meta", "img", "br", "hr"}


class Page(HTMLParser):
    """Tables of cells by their name, and what a page must not have; raises AssertionError where tags do not match."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tables, self.open, self.sources, self.text = {}, [], [], ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.sources += [found[name] for name in ("src", "href") if name in found]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.rows = self.tables[found["id"].removeprefix("table-")] = []
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def markdown_tables(text):
    """By name, the cells of each pipe table; the link below a table names it."""
    tables, rows = {}, []
    for line in text.splitlines():
        if line.startswith("| "):
            cells = [html.unescape(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            rows.append([re.sub(r"\\(.)", r"\1", c.strip().removeprefix("**").removesuffix("**")) for c in cells])
        elif found := re.match(r"\[tables/(.*)\.csv\]", line):
            tables[found[1]], rows = [rows[0], *rows[2:]] if rows else [], []
    return tables


def read_csv(folder, name):
    with (folder / "tables" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def scores(*finals):
    return {seed: history([0.4, 0.9 * final, final]) for seed, final in enumerate(finals, 1)}


def runs(variant, **labels):
    return {(variant, label, seed): records for label, found in labels.items() for seed, records in found.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """best is ahead of other by .10, .08, .12 in v; in w one run failed and one has not been run."""
    in_v = runs("v", best=scores(0.80, 0.82, 0.85), other=scores(0.70, 0.74, 0.73))
    in_w = runs("w", best=scores(0.60, 0.61), other=scores(0.58))
    broken = {("w", "best", 3): "", ("w", "other", 2): "ValueError: <b>loss</b> | NaN_1", ("w", "other", 3): ""}
    tuned = {
        "v": {
            "best": {
                "chosen": {"train.learning-rate": 0.01},
                "points": [
                    {"settings": {"train.learning-rate": 0.1}, "score": None, "reason": "diverged"},
                    {"settings": {"train.learning-rate": 0.01}, "score": 0.75, "reason": ""},
                    {"settings": {"train.learning-rate": 0.001}, "score": 0.61, "reason": ""},
                ],
            }
        }
    }
    costs = {("v", "best"): {"round": 1, "train": {"flops": 1.18e12, "peak-memory-bytes": 2.8e9}}}
    settings = {
        "best": {"adapter.rank": 4, "partition.alpha": 0.5},
        "other": {"adapter.rank": 8, "partition.alpha": 0.5},
    }
    everything = {**in_v, **in_w, **broken}
    return write_comparison(tmp_path_factory.mktemp("c") / "c", everything, (0.75,), settings, costs, tuned=tuned)


@pytest.fixture(scope="module")
def said(folder):
    """What was said while the report was written."""
    lines = []
    write(folder, lines.append)
    return lines


@pytest.fixture(scope="module")
def page(folder, said):
    return Page((folder / "report.html").read_text())


def described(folder):
    """The page without its pictures, and the rows of each CSV file by the name of the table."""
    document = describe(read(folder))
    rows = {table.name: list(csv.DictReader(io.StringIO(to_csv(table)))) for table in document.tables()}
    return Page(as_html(document, {})), rows


def test_markdown_and_page_hold_the_same_tables_and_every_table_has_its_csv(folder, page):
    found = markdown_tables((folder / "report.md").read_text())
    assert {name: rows for name, rows in found.items() if rows} == page.tables
    assert set(page.tables) <= {path.stem for path in (folder / "tables").iterdir()}
    for name, rows in page.tables.items():
        assert len(read_csv(folder, name)) == len(rows) - 1, name


def test_the_main_table_says_what_its_csv_says(folder, page):
    rows = page.tables["scores"][1:]
    assert [row[:4] for row in rows] == [
        ["v", "best", "3", "0.823 ± 0.025"],
        ["v", "other", "3", "0.723 ± 0.021"],
        ["w", "best", "2", "0.605 ± 0.007 †"],
        ["w", "other", "1", "0.580 †"],
    ]
    values = read_csv(folder, "scores")
    assert [f"{float(row['final-mean']):.3f}" for row in values] == [row[3][:5] for row in rows]
    assert [row["final-standing"] for row in values] == ["best", "", "among the best", "among the best"]
    assert [float(row["total-wire-bytes-per-round"]) for row in values] == [1500] * 4
    assert rows[0][5:8] == ["300", "21", "1.5 kB"]


def test_the_best_is_bold_only_where_it_is_significantly_so(folder, page):
    assert re.findall(r"<strong>(0\.8.*?)</strong>", (folder / "report.html").read_text())[:1] == ["0.823 ± 0.025"]
    lines = [line for line in (folder / "report.md").read_text().splitlines() if line.startswith(("| v |", "| w |"))]
    (bold,) = [line for line in lines if "| 3 | **" in line]
    assert bold.startswith("| v | best | 3 | **0.823 ± 0.025** | **")
    assert not [line for line in lines if line.startswith("| w |") and "**" in line]


def test_an_unfinished_matrix_says_so_first_and_names_what_is_missing(folder, page, said):
    alert = "UNFINISHED: 3 of 12 cells have no result (1 failed, 2 missing)."
    assert any(text.startswith(alert) for text in said)
    text = (folder / "report.md").read_text()
    assert text.index(alert) < text.index("## ")
    assert page.text.index(alert) < page.text.index("Scores")
    assert page.tables["problems"][1:] == [
        ["w", "best", "3", "missing", ""],
        ["w", "other", "2", "failed", "ValueError: <b>loss</b> | NaN_1"],
        ["w", "other", "3", "missing", ""],
    ]


def test_the_page_needs_nothing_but_itself(folder, page):
    assert all(source.startswith(("#", "data:image/svg+xml;base64,")) for source in page.sources)
    text = (folder / "report.html").read_text()
    assert "<script" not in text
    assert "@import" not in text
    assert len([source for source in page.sources if source.startswith("data:")]) == 3


def test_pictures_and_links_exist(folder, page):
    targets = re.findall(r"\]\((\S+?)\)", (folder / "report.md").read_text())
    assert len(targets) > 10
    assert all((folder / target).stat().st_size > 0 for target in targets)
    assert not list(folder.rglob("*.partial"))


def test_the_main_table_and_the_paths_are_said(folder, said):
    assert re.search(r"v +best +3 +\*0\.823 ± 0\.025\*", said[0])
    assert str(folder / "report.html") in said


def test_writing_again_changes_nothing(folder, page):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    write(folder, lambda text: None)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_what_was_not_measured_is_no_column_and_a_note_says_so(page):
    assert page.tables["costs"] == [
        ["variant", "label", "client FLOPs", "client memory, peak"],
        ["v", "best", "1.18 T", "2.8 GB"],
    ]
    assert "Not measured: server FLOPs, server memory, peak." in page.text


def test_the_chosen_point_of_each_grid_is_marked(page):
    assert [row[2:] for row in page.tables["tuning"][1:]] == [
        ["train.learning-rate = 0.1", "–", "", "diverged"],
        ["train.learning-rate = 0.01", "0.750", "chosen", ""],
        ["train.learning-rate = 0.001", "0.610", "", ""],
    ]
    assert "edge of the grid" not in page.text


def test_settings_are_told_apart_by_what_they_vary_with(page):
    assert ["adapter.rank", "label", "4 (best); 8 (other)"] in page.tables["settings-differing"]
    assert ["seed", "seed", "1 (1); 2 (2); 3 (3)"] in page.tables["settings-differing"]
    assert ["partition.alpha", "0.5"] in page.tables["settings-common"]
    assert ["torch", "2.13.0"] in page.tables["environment"]
    assert ["gpu", "1 x H200"] in page.tables["environment"]


def test_scores_on_other_rows_are_shown_but_not_ranked(tmp_path):
    found = runs("v", best=scores(0.80, 0.82, 0.85), other=scores(0.70, 0.74, 0.73))
    own = {("v", "own", seed): history([0.4, 0.9, 0.95 + seed / 1000], own=True) for seed in (1, 2, 3)}
    page, rows = described(write_comparison(tmp_path, {**found, **own}))
    assert [row[3] for row in page.tables["scores"][1:]] == ["0.823 ± 0.025", "0.723 ± 0.021", "0.952 ± 0.001 ‡"]
    assert page.tables["scores"][3][-1] == "clients, held-out"
    assert [row["final-standing"] for row in rows["scores"]] == ["best", "", "other rows"]
    assert {row["against"] for row in rows["differences"]} == {"other"}


def test_scores_of_clients_on_the_validation_rows_are_ranked_with_the_servers(tmp_path):
    found = runs("v", best=scores(0.80, 0.82, 0.85))
    own = {("v", "own", seed): history([0.4, 0.5, 0.6 + seed / 100], own=True) for seed in (1, 2, 3)}
    settings = {"own": {"evaluate.client-rows": "validation"}}
    _, rows = described(write_comparison(tmp_path, {**found, **own}, settings=settings))
    assert {row["against"] for row in rows["differences"]} == {"own"}


@pytest.mark.parametrize("found", [{}, {("v", "a", 1): "", ("v", "a", 2): "out of memory"}])
def test_a_matrix_without_any_result_is_reported(tmp_path, found):
    said = []
    write(write_comparison(tmp_path, found), said.append)
    page = Page((tmp_path / "report.html").read_text())
    assert said[0].startswith(("EMPTY", "UNFINISHED: 2 of 2 cells"))
    assert said[0] in page.text
    assert "scores" not in page.tables


def test_a_cell_whose_files_are_gone_or_tell_nothing_counts_as_failed(tmp_path):
    found = runs("v", a=scores(0.7, 0.8), b=scores(0.7), c={1: history([0.5, 0.6], metric="f1")})
    diverged = history([0.5, 0.6])
    diverged[1]["evaluation"]["accuracy"] = None
    folder = write_comparison(tmp_path, {**found, ("v", "d", 1): diverged})
    (folder / "cells/v/a/2/history.jsonl").unlink()
    (folder / "cells/v/b/1/summary.json").write_text("{")
    reasons = {(row["label"], row["seeds"]): row["reason"] for row in described(folder)[1]["problems"]}
    assert "cannot be read" in reasons["a", "2"]
    assert "cannot be read" in reasons["b", "1"]
    assert reasons["c", "1"].startswith("no round has a score named accuracy")
    assert reasons["d", "1"] == "accuracy is not a number after round 1"


def test_skipped_rounds_and_rejected_uploads_are_shown(tmp_path):
    records = history([0.5, 0.6], skipped="0 of 3 uploads accepted", rejected=[{"partition": 1, "reason": "NaN"}])
    (row,) = described(write_comparison(tmp_path, {("v", "a", 1): records}))[1]["problems"]
    assert (row["status"], row["reason"]) == ("finished", "2 rounds skipped, 2 uploads rejected")


@pytest.mark.parametrize("others", [{}, {("v", "a", 1): history([0.5, 0.7], UP)}])
def test_labels_that_send_nothing_are_drawn_too(tmp_path, others):
    silent = {("v", "silent", 1): history([0.5, 0.6], NOTHING)}
    comparison = read(write_comparison(tmp_path, {**silent, **others}))
    for picture, figure in draw(comparison):
        figure.savefig(tmp_path / picture.name, format="png")
        assert "silent" in [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("text", [None, "{", "{}"])
def test_a_folder_without_a_comparison_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "matrix.json").write_text(text)
    with pytest.raises(ValueError, match=r"matrix\.json"):
        write(tmp_path)
