"""Examples in docstrings print what they say."""

import ast
import doctest
import importlib
from pathlib import Path

import pytest

from tests.support.repository import REPOSITORY

PACKAGES = ("strategies", "clients", "florg_app")
SLOW = {"florg_app.api"}
"""Examples that train; tests/florg_app/test_api.py runs them."""


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


FILES = [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]
WITH_EXAMPLES = sorted({module_of(path) for path in FILES if ">>> " in path.read_text()} - SLOW)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_print_what_they_say(name):
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted > 0
    assert results.failed == 0


SECTIONS = ("Args:", "Returns:", "Raises:", "Yields:", "Example:")


def documented(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [
        f"{path.name}: {node.name} has no {name}"
        for node in functions
        for name in argument_names(ast.get_docstring(node) or "")
        if name not in {a.arg for a in (*node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg) if a}
    ]


def argument_names(docstring: str) -> list[str]:
    """The names that a docstring's section Args speaks of."""
    names, inside = [], False
    for line in docstring.splitlines():
        if line.strip() in SECTIONS:
            inside = line.strip() == "Args:"
        elif inside and line.startswith("    ") and not line.startswith("     ") and ":" in line:
            names += line.strip().split(":")[0].split(", ")
    return names


def test_arguments_that_are_described_are_there():
    assert [problem for path in FILES for problem in documented(path)] == []
