"""Faults by machine: every operator, comparison, constant, condition, pair of arguments of a file, one at a time."""

import ast
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutant import Mutant

SWAPS: dict[type[ast.AST], str] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
    ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "*", ast.Mod: "//", ast.Pow: "*",
    ast.And: "or", ast.Or: "and", ast.BitAnd: "|", ast.BitOr: "&",
}  # fmt: skip
"""What stands instead of an operator."""

CALLED = {"min": "max", "max": "min", "any": "all", "all": "any", "amin": "amax", "amax": "amin", "sqrt": "square"}
"""What is called instead of a function or method."""

WORDS = (ast.JoinedStr, ast.Raise, ast.Assert, ast.Import, ast.ImportFrom)
"""Where a change would be one of words, of checks of our own, or of names."""

CHECKING = {"strict"}
"""Arguments that change no result, only whether a mistake of ours is seen."""

SAID = {"log", "note", "warning", "info", "print"}
"""Functions whose arguments are words."""


@dataclass(frozen=True)
class Change:
    """The source between two positions, as offsets, written otherwise."""

    start: int
    end: int
    new: str


def mutants(root: Path, file: str) -> list[Mutant]:
    """All faults of a file; each changes one line, or a few that are one expression."""
    text = (root / file).read_text(encoding="utf-8")
    found = []
    for change in _Finder(text).changes():
        old, new = _whole_lines(text, change)
        mutant = Mutant(f"{file}:{text[: change.start].count(chr(10)) + 1}", file, old, new)
        if text.count(old) == 1 and old != new and mutant not in found:
            found.append(mutant)
    return found


def sample(candidates: Sequence[Mutant], number: int, seed: int) -> list[Mutant]:
    """So many of them, the same ones for a seed as long as their own lines are what they are, in order."""

    def rank(mutant: Mutant) -> bytes:
        return hashlib.sha256(f"{seed}/{mutant.file}/{mutant.old.strip()}/{mutant.new.strip()}".encode()).digest()

    chosen = sorted(candidates, key=rank)[:number]
    return [mutant for mutant in candidates if mutant in chosen]


def _whole_lines(text: str, change: Change) -> tuple[str, str]:
    """The lines that a change touches, and as it leaves them; with the line before where these are there twice."""
    start = text.rfind("\n", 0, change.start) + 1
    end = text.find("\n", change.end)
    while text.count(text[start:end]) > 1 and start > 0:
        start = text.rfind("\n", 0, start - 1) + 1
    return text[start:end], text[start : change.start] + change.new + text[change.end : end]


class _Finder:
    """Walks over the code of a file that computes something."""

    def __init__(self, text: str) -> None:
        self._text, self._lines = text, [0]
        for line in text.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def changes(self) -> Iterator[Change]:
        for node in self._computing(ast.parse(self._text)):
            yield from self._of(node)

    def _computing(self, node: ast.AST) -> Iterator[ast.AST]:
        """The node and those below it, without annotations, words and decorators."""
        yield node
        skipped: list[ast.AST] = []
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            skipped += node.decorator_list
        if isinstance(node, ast.FunctionDef) and node.returns:
            skipped.append(node.returns)
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            skipped.append(node.annotation)
        if isinstance(node, ast.Call) and _called(node) in SAID:
            return
        if isinstance(node, ast.keyword) and node.arg in CHECKING:
            return
        for child in ast.iter_child_nodes(node):
            if child not in skipped and not isinstance(child, WORDS) and not _typing(child):
                yield from self._computing(child)

    def _of(self, node: ast.AST) -> Iterator[Change]:
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
                yield self._between(left, right, SWAPS[type(op)])
        elif isinstance(node, ast.BinOp) and type(node.op) in SWAPS:
            yield self._between(node.left, node.right, SWAPS[type(node.op)])
            yield self._as(node, node.left)
            yield self._as(node, node.right)
        elif isinstance(node, ast.BoolOp):
            yield self._between(node.values[0], node.values[1], SWAPS[type(node.op)])
            yield self._as(node, node.values[0])
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
            yield self._as(node, node.operand)
        elif isinstance(node, ast.IfExp):
            yield self._as(node, node.body)
            yield self._as(node, node.orelse)
        elif isinstance(node, ast.If | ast.While) and not isinstance(node.test, ast.NamedExpr):
            yield self._put(node.test, f"not ({self._source(node.test)})")
        elif isinstance(node, ast.Constant):
            yield from self._constant(node)
        elif isinstance(node, ast.Attribute) and node.attr == "mT":
            yield self._as(node, node.value)
        elif isinstance(node, ast.AugAssign) and type(node.op) in SWAPS:
            yield self._between(node.target, node.value, f"{SWAPS[type(node.op)]}=")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _called(node.value) not in SAID:
            yield self._put(node, "pass")
        elif isinstance(node, ast.Call):
            yield from self._call(node)

    def _constant(self, node: ast.Constant) -> Iterator[Change]:
        if isinstance(node.value, bool):
            yield self._put(node, str(not node.value))
        elif isinstance(node.value, int):
            yield self._put(node, str(node.value + 1))
        elif isinstance(node.value, float):
            yield self._put(node, repr(2 * node.value if node.value else 1.0))

    def _call(self, node: ast.Call) -> Iterator[Change]:
        if len(node.args) >= 2 and not any(isinstance(a, ast.Starred) for a in node.args[:2]):
            one, other = node.args[:2]
            yield self._put_between(one, other, f"{self._source(other)}, {self._source(one)}")
        name = _called(node)
        if name in CALLED:
            start = self._end(node.func) - len(name)
            yield Change(start, start + len(name), CALLED[name])

    def _source(self, node: ast.AST) -> str:
        return self._text[self._start(node) : self._end(node)]

    def _put(self, node: ast.AST, new: str) -> Change:
        return Change(self._start(node), self._end(node), new)

    def _as(self, node: ast.AST, part: ast.AST) -> Change:
        return self._put(node, f"({self._source(part)})")

    def _between(self, left: ast.AST, right: ast.AST, new: str) -> Change:
        """Another operator; brackets around the operands stay where they are."""
        start, end = self._end(left), self._start(right)
        between = self._text[start:end]
        lead = len(between) - len(between.lstrip(" )\n"))
        trail = len(between) - len(between.rstrip(" (\n"))
        return Change(start + lead, end - trail, new)

    def _put_between(self, first: ast.AST, last: ast.AST, new: str) -> Change:
        return Change(self._start(first), self._end(last), new)

    def _start(self, node: ast.AST) -> int:
        return self._offset(node.lineno, node.col_offset)  # pyright: ignore[reportAttributeAccessIssue]

    def _end(self, node: ast.AST) -> int:
        return self._offset(node.end_lineno, node.end_col_offset)  # pyright: ignore[reportAttributeAccessIssue]

    def _offset(self, line: int, column: int) -> int:
        start = self._lines[line - 1]
        bytes_before = self._text[start : self._lines[line]].encode()[:column]
        return start + len(bytes_before.decode())


def _called(node: ast.Call) -> str:
    func = node.func
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _typing(node: ast.AST) -> bool:
    """Whether this makes a type: Literal["a"], Annotated[float, Gt(0)]."""
    names = {"Literal", "Annotated", "Float", "Int", "Callable"}
    return isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in names
