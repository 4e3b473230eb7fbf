"""docs/python-api.md shows Python that runs, and lists the public names of the packages."""

import importlib
import re

from tests.support.documents import document

PAGE = document("docs/python-api.md")


def listed_names():
    """Package -> the names that the table of stable names gives for it."""
    names, package = {}, ""
    for line in PAGE.section("Stable names").splitlines():
        if cells := re.match(r"\| (?:`([\w.]+)`)? ?\| ((?:`\w+`(?:, )?)+) \|", line):
            package = cells[1] or package
            names.setdefault(package, set()).update(re.findall(r"`(\w+)`", cells[2]))
    return names


def test_the_examples_of_the_page_run():
    blocks = PAGE.blocks("python")
    assert blocks
    for block in blocks:
        exec(compile(block, "docs/python-api.md", "exec"), {"__name__": "example"})


def test_the_table_of_stable_names_is_the_public_face_of_each_package():
    listed = listed_names()
    assert listed["strategies"] == set(importlib.import_module("strategies").__all__)
    missing = [f"{p}.{n}" for p, names in listed.items() for n in names if not hasattr(importlib.import_module(p), n)]
    assert missing == []
