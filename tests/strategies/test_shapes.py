"""Annotations are checked while the tests run and cost nothing otherwise; tensor functions say their shapes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from jaxtyping import TypeCheckError

from clients.batches import in_parts
from florg_app.code_version import digest_of
from strategies.bases.basis import Identity
from strategies.linalg import procrustes, psd_factor
from strategies.methods.florg import FLoRG
from tests.support.repository import REPOSITORY

FILES = sorted((REPOSITORY / "strategies").rglob("*.py"))


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (psd_factor, [torch.zeros(2, 3)]),
        (psd_factor, [torch.zeros(3, 3, dtype=torch.int64)]),
        (procrustes, [torch.zeros(4, 2, 5), torch.zeros(3, 2, 5)]),
        (FLoRG().combine, [1, {}, {}, torch.zeros(2, 2)]),
        (Identity, [2.0]),
        (digest_of, ["a text instead of a path"]),
        (in_parts, [[1, 2], "2"]),
    ],
)
def test_an_argument_that_is_not_as_declared_is_refused_in_tests(function, arguments):
    with pytest.raises(TypeCheckError):
        function(*arguments)


def test_outside_tests_nothing_is_checked_and_no_checker_is_imported():
    code = (
        "import sys; from strategies.linalg import psd_factor as f\n"
        "print('beartype' in sys.modules, hasattr(f, '__wrapped__'), f.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.split() == ["False", "False", "psd_factor"]


def annotations(tree: ast.AST) -> list[ast.expr]:
    """Of the arguments and results of all functions, and of the fields of all classes."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            arguments = [
                *node.args.posonlyargs,
                *node.args.args,
                *node.args.kwonlyargs,
                node.args.vararg,
                node.args.kwarg,
            ]
            found += [a.annotation for a in arguments if a and a.annotation] + ([node.returns] if node.returns else [])
        elif isinstance(node, ast.ClassDef):
            found += [field.annotation for field in node.body if isinstance(field, ast.AnnAssign)]
    return found


def without_shape(annotation: ast.AST) -> bool:
    """Whether it names a tensor or an array that is not the first part of Float[Tensor, "l r i"] or one of its kind."""
    if isinstance(annotation, ast.Subscript) and isinstance(annotation.slice, ast.Tuple):
        first, *rest = annotation.slice.elts
        if ast.unparse(first).split(".")[-1] in ("Tensor", "ndarray"):
            return not (len(rest) == 1 and isinstance(rest[0], ast.Constant) and isinstance(rest[0].value, str))
    if isinstance(annotation, ast.Name | ast.Attribute):
        return ast.unparse(annotation).split(".")[-1] in ("Tensor", "ndarray")
    return any(without_shape(child) for child in ast.iter_child_nodes(annotation))


@pytest.mark.parametrize("text", ["Tensor", "torch.Tensor | None", "tuple[Tensor, ...]", "dict[str, np.ndarray]"])
def test_an_annotation_without_a_shape_is_noticed(text):
    assert without_shape(ast.parse(text, mode="eval").body)
    assert not without_shape(ast.parse('tuple[Float[Tensor, "l r i"], list[Int[np.ndarray, " n"]]]', mode="eval").body)


def test_every_function_and_field_of_a_tensor_in_strategies_says_its_shape():
    found = {}
    for file in FILES:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        found[file] = [ast.unparse(annotation) for annotation in annotations(tree) if without_shape(annotation)]
    assert {str(Path(file).relative_to(REPOSITORY)): bare for file, bare in found.items() if bare} == {}
