"""docs/methods.md has a section for every method, whose facts are those of the code; so have the tables of options."""

import itertools
import re

import pytest

from florg_app.config.parse import default_settings
from scripts.method_tables import updated_methods_page, updated_privacy_page
from strategies import METHODS
from tests.strategies.methods.test_method_traffic import FORMULAS, numbers
from tests.support.documents import document
from tests.support.repository import REPOSITORY

PAGE = document("docs/methods.md")
PYPROJECT = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
SIZES = [(3, 7, 11), (2, 13, 5), (4, 40, 60)]
"""(rank, out_features, in_features)"""


def section(name):
    """The section that has this method's facts."""
    (found,) = [part for part in PAGE.text.split("\n## ") if f"<!-- facts {name} -->" in part]
    return found


def value(formula, t, r, o, i):
    """The value of a formula of the page in round t of two clients, such as r·(o + i)."""
    names = {
        "t": t,
        "n": 2,
        "r": r,
        "o": o,
        "i": i,
        "k": min(o, i),
        "d": default_settings()["strategy.slora.density"],
        "max": max,
        "min": min,
        "round": round,
    }
    return eval(formula.replace("·", "*"), {"__builtins__": {}}, names)


def test_the_generated_parts_are_up_to_date():
    assert updated_methods_page(PAGE.text, PYPROJECT) == PAGE.text, "run: make tables"
    privacy = document("docs/privacy.md").text
    assert updated_privacy_page(privacy) == privacy, "run: make tables"


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_section_with_an_equation_its_facts_and_its_paper(name):
    text = section(name)
    assert "```text\n" in text
    papers = re.findall(r"arXiv (\d{4}\.\d{5})", METHODS[name].summary)
    assert [paper for paper in papers if f"arXiv {paper}" not in text.split("*Paper:*")[1]] == []


@pytest.mark.parametrize("name", METHODS)
def test_the_numbers_of_a_section_are_those_that_the_method_sends(name):
    stated = re.search(r"^Numbers.*?: up `([^`]+)`, down `([^`]+)`", section(name), re.MULTILINE)
    assert stated
    for sizes, t in itertools.product(SIZES, (1, 2)):
        expected = [numbers(formula, t, *sizes) for formula in FORMULAS[name]]
        assert [value(stated[way], t, *sizes) for way in (1, 2)] == expected


def test_the_sections_stand_in_the_order_of_the_methods():
    assert re.findall(r"<!-- facts (\S+) -->", PAGE.text) == list(METHODS)
