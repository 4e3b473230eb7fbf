"""The annotated trees of the documents name files and folders that exist, and leave out no part of the packages."""

import re

import pytest

from tests.support.documents import document
from tests.support.repository import REPOSITORY

PACKAGES = ("strategies", "clients", "florg_app")
NAME = re.compile(r"[\w/]+(?:\.py|/)$")


def tree_places(page):
    """The paths that the tree of a page names: a line has names, two spaces, and what they are about."""
    (tree,) = [block for block in document(page).blocks("text") if block.startswith("strategies/")]
    places, folders = [], {0: ""}
    for line in tree.splitlines():
        depth = len(line) - len(line.lstrip())
        names = [name for name in re.split(r" {2,}", line.strip())[0].split(" ") if NAME.fullmatch(name)]
        assert names, line
        places += [folders[depth] + name for name in names]
        folders[depth + 2] = folders[depth] + names[0]
    return places


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_what_the_tree_names_is_there(page):
    places = tree_places(page)
    assert len(places) > 6
    assert [place for place in places if not (REPOSITORY / place).exists()] == []


def test_the_tree_of_the_architecture_has_every_folder_of_the_packages():
    folders = {
        path.parent.relative_to(REPOSITORY).as_posix() + "/"
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("__init__.py")
    }
    assert sorted(folders - set(tree_places("docs/architecture.md"))) == []


def test_every_path_that_the_pages_for_contributors_name_exists_but_for_those_of_the_example():
    pages = ("docs/architecture.md", "docs/add-a-method.md", "CONTRIBUTING.md")
    spans = [span for page in pages for span in document(page).spans if "svd_split" not in span]
    named = [span for span in spans if re.fullmatch(r"[\w-]+(?:/[\w-]+)+(?:\.\w+|/)", span) and "build/" not in span]
    assert named
    assert [name for name in named if not (REPOSITORY / name).exists()] == []
