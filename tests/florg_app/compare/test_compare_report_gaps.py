"""What a comparison's report says where scores are missing, not comparable or not measured."""

import pytest

from florg_app.compare.report.figures import draw_comparison
from florg_app.compare.report.results import read_comparison
from florg_app.compare.report.write import write_report
from tests.support.comparisons import NOTHING, UP, history, write_comparison
from tests.support.report_pages import Page, described, runs, scores


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
    write_report(write_comparison(tmp_path, found), said.append)
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
    comparison = read_comparison(write_comparison(tmp_path, {**silent, **others}))
    for picture, draw in draw_comparison(comparison):
        figure = draw()
        figure.savefig(tmp_path / picture.name, format="png")
        assert "silent" in [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("text", [None, "{", "{}"])
def test_a_folder_without_a_comparison_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "matrix.json").write_text(text)
    with pytest.raises(ValueError, match=r"matrix\.json"):
        write_report(tmp_path)
