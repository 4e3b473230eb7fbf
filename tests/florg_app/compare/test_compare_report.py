"""What is written about a comparison: the same in every form, loud where something is missing."""

import csv
import re

import pytest

from florg_app.compare.report.write import write_report
from tests.support.comparisons import write_comparison
from tests.support.report_pages import Page, markdown_tables, runs, scores


def read_csv(folder, name):
    with (folder / "tables" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


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
    write_report(folder, lines.append)
    return lines


@pytest.fixture(scope="module")
def page(folder, said):
    return Page((folder / "report.html").read_text())


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


def test_every_mark_of_the_terminals_table_has_its_line_of_legend(said):
    (place,) = [index for index, text in enumerate(said) if "0.605 ± 0.007 †" in text]
    assert "*0.823 ± 0.025*" in said[place]
    following = said[place + 1 : place + 4]
    assert [text[:9] for text in following[:2]] == ["*number*:", "†: the be"]
    assert not following[2].startswith("‡")  # no row has it


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
    assert len([source for source in page.sources if source.startswith("data:")]) == 6  # on light and on dark paper


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
    write_report(folder, lambda text: None)
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
