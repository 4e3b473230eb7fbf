"""Both reports in a real browser: they are there, say nothing on its console, overflow nowhere and break no word."""

import pytest

from florg_app.compare.report.write import write_report
from florg_app.run_report.describe import write_run_report
from florg_app.run_report.reported_run import read_reported_runs
from tests.support.chromium import chromium
from tests.support.comparisons import history, write_comparison
from tests.support.recorded_runs import usual_rounds, write_recorded_run

WIDTHS = (1280, 400)
LABELS = ("florg-zero-start", "fedex-lora-factored", "flexlora")
UNBROKEN = "x" * 300


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def run_page(tmp_path_factory):
    """A run of many rounds with a client that is rejected in words that have no end."""
    records = usual_rounds(40, privacy={"epsilon": 2.0, "delta": 1e-5, "rounds": 3})
    records[7]["rejected"] = [{"partition": 1, "reason": f"error 5: {UNBROKEN}"}]
    folder = write_recorded_run(tmp_path_factory.mktemp("run") / "run", records, settings={"model.name": UNBROKEN})
    write_run_report(folder, read_reported_runs([folder]))
    return folder / "report.html"


@pytest.fixture(scope="module")
def runs_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    names = ("20261121-021736-florg-811a", "20261121-031736-fedit-902b", "third")
    runs = [write_recorded_run(folder / name, usual_rounds()) for name in names]
    write_run_report(folder, read_reported_runs(runs))
    return folder / "report.html"


@pytest.fixture(scope="module")
def comparison_page(tmp_path_factory):
    """Four variants, so that pictures have panels, and labels of several words."""
    runs = {
        (variant, label, seed): history([0.4, 0.5 + seed / 50, 0.7])
        for variant in ("iid", "dirichlet-0.5", "dirichlet-0.1", "pathological")
        for label in LABELS
        for seed in (1, 2)
    }
    runs["iid", "flexlora", 2] = f"ValueError: {UNBROKEN}"
    folder = write_comparison(tmp_path_factory.mktemp("comparison") / "c", runs)
    write_report(folder, lambda text: None)
    return folder / "report.html"


TABLES = {
    "run_page": {"scores", "rounds", "participation", "refusals", "clients", "traffic", "combination", "settings"},
    "runs_page": {"scores", "rounds-3", "participation-1", "clients-2", "traffic", "settings"},
    "comparison_page": {"scores", "differences", "to-target", "environment", "settings-differing"},
}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", TABLES)
def test_a_page_is_whole_at_every_width_on_light_and_on_dark_paper(page, width, dark, browser, request):
    browser.show(request.getfixturevalue(page), width, dark)
    there = set(browser.run("return [...document.querySelectorAll('table')].map(t => t.id.replace('table-', ''))"))
    assert there >= TABLES[page]
    assert browser.run("return document.images.length") > 2
    assert browser.unloaded_pictures() == []
    assert browser.said() == []
    assert browser.overflowing() == []
    assert [word for word in browser.broken_words() if UNBROKEN not in word] == []


@pytest.mark.parametrize(("width", "highest"), [(1280, 75), (400, 56)])
@pytest.mark.parametrize("page", TABLES)
def test_nothing_but_headings_stands_between_the_title_of_a_table_and_its_rows(page, width, highest, browser, request):
    """No band of empty lines: a row of headings has at most three, on a narrow screen two."""
    browser.show(request.getfixturevalue(page), width, False)
    heights = browser.run(
        "return [...document.querySelectorAll('thead')]"
        ".map(h => [h.parentElement.id, h.getBoundingClientRect().height])"
    )
    assert [name for name, height in heights if height > highest] == []
    gaps = browser.run(
        "return [...document.querySelectorAll('.scroll')].map(s => [s.querySelector('table').id,"
        " s.getBoundingClientRect().top - s.previousElementSibling.getBoundingClientRect().bottom])"
    )
    assert [name for name, gap in gaps if gap > 24] == []


@pytest.mark.parametrize("page", TABLES)
def test_light_and_dark_paper_have_pictures_and_letters_of_their_own(page, browser, request):
    """Letters and paper differ by enough to be read: a ratio of 4.5, as WCAG 2 asks."""
    shown = {}
    for dark in (False, True):
        browser.show(request.getfixturevalue(page), 1280, dark)
        shown[dark] = browser.run("return document.images[0].currentSrc")
        assert browser.faint_texts() == []
    assert shown[False] != shown[True]


def test_what_is_too_wide_can_be_scrolled_to_and_by_keyboard(browser, comparison_page):
    browser.show(comparison_page, 400, False)
    wide = browser.run(
        "return [...document.querySelectorAll('.scroll')].filter(s => s.scrollWidth > s.clientWidth + 1)"
        ".map(s => [getComputedStyle(s).overflowX, s.tabIndex])"
    )
    assert wide
    assert {tuple(pair) for pair in wide} == {("auto", 0)}


def test_the_checks_see_what_they_look_for(browser, tmp_path):
    """A page that is wrong in every way."""
    page = tmp_path / "wrong.html"
    page.write_text(
        "<meta name=viewport content='width=device-width'><body style='background: #fff; color: #bbb'>"
        "<p style='width: 3em; overflow-wrap: anywhere'>interminable</p><p style='width: 500px'>wide</p>"
        "<img alt=lost src='data:image/png;base64,AAAA'><script>console.error('oh')</script>"
    )
    browser.show(page, 400, False)
    assert browser.broken_words() == ["interminable"]
    assert any("wide" in found for found in browser.overflowing())
    assert browser.unloaded_pictures() == ["lost"]
    assert any("oh" in line for line in browser.said())
    assert set(browser.faint_texts()) == {"interminable", "wide"}
