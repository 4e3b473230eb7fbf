"""docs/settings.md holds every setting, and every setting that a document names exists."""

import re
import tomllib

import pytest

from florg_app.config.flat import to_toml
from florg_app.config.parse import default_settings, parse_settings
from florg_app.federation.description import Federation
from scripts.settings_table import read_settings, updated_settings_page
from tests.support.documents import MANUAL, document
from tests.support.repository import REPOSITORY

PYPROJECT = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
TABLES = {key.partition(".")[0] for key in default_settings() if "." in key}
NAMED = re.compile(r"([a-z][a-z-]*(?:\.[a-z][a-z-]*)+)(?: = .+)?")


def flat(table, prefix=""):
    """A TOML document with dotted keys."""
    found = {}
    for key, value in table.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def test_the_page_is_up_to_date():
    page = document("docs/settings.md").text
    assert updated_settings_page(page, PYPROJECT) == page, "run: make tables"


def test_the_page_holds_every_setting_with_its_default_and_a_meaning():
    rows = read_settings(PYPROJECT)
    assert {key: default for key, default, _ in rows} == {
        key: to_toml(value) for key, value in default_settings().items()
    }
    assert [key for key, _, meaning in rows if not meaning] == []
    text = document("docs/settings.md").text
    assert [key for key, default, _ in rows if f"| `{key}` | `{default}` |" not in text] == []


@pytest.mark.parametrize("page", MANUAL, ids=str)
def test_every_setting_that_a_page_names_exists_and_has_the_type_of_the_value_beside_it(page):
    settings = [match for span in page.spans if (match := NAMED.fullmatch(span)) and _is_setting(match[1])]
    known = default_settings()
    assert [match[0] for match in settings if match[1] not in known and f"{match[1]}." not in "".join(known)] == []
    given = [tomllib.loads(match[0]) for match in settings if "=" in match[0]]
    values = [pair for table in given for pair in flat(table).items()]
    wide = [(key, float(value) if isinstance(known[key], float) else value) for key, value in values]
    assert [pair for pair in wide if type(pair[1]) is not type(known[pair[0]])] == []


def _is_setting(key):
    """Whether a dotted name is meant for a setting: its table is one, and it is no file."""
    return key.partition(".")[0] in TABLES and not key.endswith(
        (".py", ".csv", ".safetensors", ".yaml", ".html", ".md")
    )


def test_settings_are_found_in_the_pages():
    found = {match[1] for page in MANUAL for span in page.spans if (match := NAMED.fullmatch(span))}
    assert len(found & default_settings().keys()) > 60


@pytest.mark.parametrize("page", MANUAL, ids=str)
def test_blocks_of_settings_are_usable_ones(page):
    for block in page.blocks("toml"):
        table = tomllib.loads(block)
        if "site" in table:
            Federation.model_validate(table)
        elif not {"methods", "tune"} & table.keys():  # those are of `florg compare`, which has tests of its own
            parse_settings(flat(table))
