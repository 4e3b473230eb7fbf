"""README.md is short, and says what a newcomer has to know."""

import re

from strategies import METHODS
from tests.support.documents import document

README = document("README.md")
UNITS = ("", "-one", "-two", "-three", "-four", "-five", "-six", "-seven", "-eight", "-nine")
NUMBERS = {
    10 * tens + unit: f"{word}{end}" for tens, word in ((2, "Twenty"), (3, "Thirty")) for unit, end in enumerate(UNITS)
}


def test_it_is_read_in_minutes():
    assert len(README.text.split()) <= 1200


def test_it_names_the_commands_the_channels_and_the_open_control_interface():
    targets = [words[1] for words in README.commands if words[0] == "make"]
    assert targets[:2] == ["run", "test"]
    assert {"check", "docs", "fab"} <= set(targets)
    text = " ".join(README.text.split())
    assert "No wheel is published" in text
    assert "control interface has no login" in text


def test_it_shows_one_picture_and_leads_to_every_page():
    assert len(re.findall(r"!\[", README.text)) == 1
    pages = {link.removeprefix("docs/") for link in README.links if re.fullmatch(r"docs/[\w-]+\.md", link)}
    folder = README.path.parent / "docs"
    assert {path.name for path in folder.glob("*.md")} - pages == {"index.md"}


def test_it_counts_the_methods():
    assert f"{NUMBERS[len(METHODS) - 1]} other methods" in README.text
    assert f"{NUMBERS[len(METHODS) - 1].lower()} others" in document("docs/index.md").text
