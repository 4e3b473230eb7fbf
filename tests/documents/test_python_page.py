"""docs/python-api.md shows Python that runs, and lists the public names of the packages."""

import importlib
import re

import pytest

from tests.support.documents import document

PAGE = document("docs/python-api.md")


def listed_names():
    """Module -> the names that the table of stable names gives for it."""
    names, module = {}, ""
    for line in PAGE.section("Stable names").splitlines():
        if cells := re.match(r"\| (?:`([\w.]+)`)? ?\| ((?:`\w+`(?:, )?)+) \|", line):
            module = cells[1] or module
            names.setdefault(module, set()).update(re.findall(r"`(\w+)`", cells[2]))
    return names


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_examples_of_the_page_run_one_after_the_other(tmp_path):
    blocks = PAGE.blocks("python")
    assert len(blocks) >= 4
    names = {"__name__": "example", "folder": tmp_path}
    for block in blocks:
        exec(compile(block, "docs/python-api.md", "exec"), names)


def test_the_table_of_stable_names_is_the_public_face_of_each_module():
    listed = listed_names()
    assert listed.keys() == {"florg_app.api", "strategies", "clients.trainer"}
    for module in ("florg_app.api", "strategies"):
        assert listed[module] == set(importlib.import_module(module).__all__)
    assert all(hasattr(importlib.import_module("clients.trainer"), name) for name in listed["clients.trainer"])
