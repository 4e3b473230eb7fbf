"""The site of the documents: all pages in its navigation, built without a warning, nothing loaded from elsewhere."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
import yaml

from tests.support.repository import REPOSITORY

CONFIG = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"))
LOADED = re.compile(r"<(?:script|link|img|iframe|source|video)\b[^>]*?\b(?:src|href)=[\"']?([^\"'\s>]+)")


def pages_of(nav):
    """The files that a navigation names, in order."""
    return [
        page for entry in nav for _, place in entry.items() for page in (pages_of(place) if _nested(place) else [place])
    ]


def _nested(place):
    return isinstance(place, list)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site."""
    if find_spec("mkdocs") is None or find_spec("material") is None:
        pytest.skip("the extra `docs` is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_navigation_names_every_page_once():
    assert sorted(pages_of(CONFIG["nav"])) == sorted(path.name for path in (REPOSITORY / "docs").glob("*.md"))


def test_every_kind_of_lost_link_is_a_warning_and_so_an_error():
    assert set(CONFIG["validation"]["nav"].values()) == {"warn"}
    assert CONFIG["validation"]["links"] == dict.fromkeys(
        ["not_found", "anchors", "absolute_links", "unrecognized_links"], "warn"
    )


def test_the_site_has_a_page_for_each_and_the_files_to_which_they_link(site):
    built = {path.relative_to(site).as_posix() for path in site.rglob("*")}
    assert {page.replace(".md", ".html") for page in pages_of(CONFIG["nav"])} <= built
    assert {"repository/LOG.html", "repository/CHANGELOG.html", "repository/tests/reference/florg.py"} <= built


def test_nothing_is_loaded_from_elsewhere(site):
    html = [path.read_text(encoding="utf-8") for path in site.rglob("*.html")]
    loaded = [place for text in html for place in LOADED.findall(text)]
    assert len(loaded) > 100
    assert [place for place in loaded if re.match(r"(https?:)?//", place)] == []
