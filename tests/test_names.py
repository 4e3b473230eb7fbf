"""Names and sizes of the code: a public name belongs to one file, and a file answers one question."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.support.repository import REPOSITORY

PACKAGES = ("strategies", "clients", "florg_app")
SHARED = {"app", "main", "T"}
"""Flower and typer look for an `app`, processes begin at a `main`; T is the type variable of whoever needs one."""
LONGEST = 250
"""Lines of a file."""


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py"))


def public_names(tree: ast.Module) -> Iterator[str]:
    """What a module defines at its top and does not begin with an underscore."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        else:
            names = []
        yield from (name for name in names if not name.startswith("_"))


def test_a_public_name_is_defined_in_one_file():
    places = defaultdict(list)
    for path in sources():
        for name in public_names(ast.parse(path.read_text(encoding="utf-8"))):
            places[name].append(str(path.relative_to(REPOSITORY)))
    twice = {name: found for name, found in places.items() if len(found) > 1 and name not in SHARED}
    assert twice == {}


def test_no_file_is_long():
    lengths = {str(p.relative_to(REPOSITORY)): len(p.read_text(encoding="utf-8").splitlines()) for p in sources()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_every_file_says_what_it_is_about():
    silent = [
        str(path.relative_to(REPOSITORY))
        for path in sources()
        if path.name != "__init__.py" and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []
