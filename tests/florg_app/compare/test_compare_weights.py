"""What one client counted for is in the report of a comparison, in every form."""

import csv

from florg_app.compare.report.results import read_comparison
from florg_app.compare.report.weights_table import weights_table
from florg_app.compare.report.write import write_report
from tests.support.comparisons import history, write_comparison

PLAIN = {"weights": {"0": 10, "1": 30}, "accepted": [0, 1], "sampled": [0, 1]}
LOWERED = {"weights": {"0": 10, "1": 990}, "lowered-weights": {"1": {"of": 0.99, "to": 0.9}}}


def compared(folder):
    runs = {
        ("v", "fedit", 1): history([0.5, 0.6, 0.7], **PLAIN),
        ("v", "fedit", 2): history([0.5, 0.6, 0.7], **LOWERED),
        ("v", "hidden", 1): history([0.5, 0.6, 0.7]),
        ("v", "hidden", 2): history([0.5, 0.6, 0.7]),
    }
    return write_comparison(folder / "c", runs)


def test_the_largest_share_over_all_seeds_is_said_with_who_and_when_and_how_often_one_was_lowered(tmp_path):
    rows = weights_table(read_comparison(compared(tmp_path))).rows
    assert [cell.text for cell in rows[0]] == ["v", "fedit", "0.900", "1, round 0, seed 2", "3"]
    assert [cell.text for cell in rows[1]] == ["v", "hidden", "–", "–", "0"]


def test_it_is_on_the_page_in_markdown_and_in_a_file(tmp_path):
    folder = compared(tmp_path)
    write_report(folder, lambda line: None)
    for name in ("report.md", "report.html"):
        text = (folder / name).read_text()
        assert "What one client counted for" in text
        assert "0.900" in text
    with (folder / "tables/weights.csv").open(newline="") as file:
        (fedit, hidden) = csv.DictReader(file)
    assert (fedit["largest-share"], fedit["partition"], fedit["lowered-rounds"]) == ("0.9", "1", "3")
    assert (hidden["largest-share"], hidden["partition"], hidden["lowered-rounds"]) == ("", "", "0")
