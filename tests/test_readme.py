"""The README says what is so: its table of settings, its annotated tree, its commands."""

import re

from florg_app.config import defaults
from florg_app.flat import to_toml
from scripts.settings_table import ROOT, settings, updated

README = (ROOT / "README.md").read_text(encoding="utf-8")
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_table_of_settings_is_up_to_date():
    assert updated(README, PYPROJECT) == README, "run: python -m scripts.settings_table"


def test_the_table_holds_every_setting_with_its_default_and_a_meaning():
    rows = settings(PYPROJECT)
    assert {key: default for key, default, _ in rows} == {key: to_toml(value) for key, value in defaults().items()}
    assert [key for key, _, meaning in rows if not meaning] == []


def test_the_files_of_the_annotated_tree_exist():
    tree = README.split("```\nstrategies/ ")[1].split("```")[0]
    package, named = "strategies", []
    for line in tree.splitlines():
        if heading := re.match(r"(\w+)/", line):
            package = heading[1]
        named += [f"{package}/{name}" for name in re.findall(r"(?<![\w/])(\w+\.py)", line)]
    assert len(named) > 25
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_links_to_files_lead_somewhere():
    links = re.findall(r"\]\((?!http|#)([^)]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
