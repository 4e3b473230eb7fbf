"""The faults that `make mutants` makes: they fit the code that is there, and one that nobody notices is a survivor."""

import ast
import sys
from pathlib import Path

import pytest

from tests.mutants import __main__ as command
from tests.mutants import generated, mutant, selection, table
from tests.mutants.mutant import Equivalent, Mutant
from tests.mutants.play import Played, Stage
from tests.support.repository import REPOSITORY

CODE = '''"""Words, 1 < 2."""
from typing import Literal

KIND: Literal["a", "b"] = "a"


def clipped(x: float, most: float = 2.0) -> float:
    """Words of 3 - 1."""
    if x < 0 and not most:
        raise ValueError(f"{x} < 0")
    return min(x, most) - 1
'''


def test_declared_and_equivalent_faults_fit_the_code_and_have_names_of_their_own():
    found = [*mutant.declared(), *(known.mutant for known in mutant.equivalents())]
    for each in found:
        text = (REPOSITORY / each.file).read_text(encoding="utf-8")
        ast.parse(each.applied(text))
    names = [each.name for each in mutant.declared()]
    assert len(names) == len(set(names)) >= 80
    assert all(known.reason for known in mutant.equivalents())


def test_a_fault_that_does_not_fit_says_which_one_and_where():
    with pytest.raises(
        ValueError, match=r"lost: in strategies/rng.py its text occurs 0 times, not once:\nno such line"
    ):
        Mutant("lost", "strategies/rng.py", "no such line", "").lines("a\nb\n")


def test_faults_by_machine_are_code_and_leave_words_and_types_alone(tmp_path):
    (tmp_path / "code.py").write_text(CODE)
    found = generated.mutants(tmp_path, "code.py")
    changed = {tuple(table.change(each).split("\n")) for each in found}
    line = "  - return min(x, most) - 1"
    assert (line, "  + return max(x, most) - 1") in changed
    assert (line, "  + return min(most, x) - 1") in changed
    assert (line, "  + return min(x, most) + 1") in changed
    assert (line, "  + return min(x, most) - 2") in changed
    condition = "  - if x < 0 and not most:"
    assert (condition, "  + if x <= 0 and not most:") in changed
    assert (condition, "  + if x < 0 or not most:") in changed
    assert (condition, "  + if x < 0 and (most):") in changed
    assert (
        "  - def clipped(x: float, most: float = 2.0) -> float:",
        "  + def clipped(x: float, most: float = 4.0) -> float:",
    ) in changed
    assert not [each for each in found if "Literal" in each.old or '"""' in table.change(each) or "raise" in each.old]
    for each in found:
        ast.parse(each.applied(CODE))


def test_a_sample_stays_when_other_lines_come_and_go():
    candidates = [Mutant(f"{i}", "a.py", f"x = {i}", f"x = {i + 1}") for i in range(100)]
    chosen = generated.sample(candidates, 10, seed=1)
    assert len(chosen) == 10
    assert generated.sample(candidates[::-1], 10, seed=1)[::-1] == chosen
    assert len(set(generated.sample(candidates[:99], 10, seed=1)) - set(chosen)) <= 1
    assert generated.sample(candidates, 10, seed=2) != chosen


def test_what_is_known_to_change_nothing_is_left_out():
    one, other = Mutant("a.py:1", "a.py", "x = 1", "x = 2"), Mutant("a.py:2", "a.py", "y = 1", "y = 2")
    known = [Equivalent(Mutant("a.py", "a.py", "  x = 1", "  x = 2"), "nobody reads x")]
    assert mutant.without([one, other], known) == [other]


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """A project of one function, whose tests look at positive numbers alone; without the type checks of this one."""
    monkeypatch.setattr(sys, "meta_path", [f for f in sys.meta_path if "jaxtyping" not in type(f).__module__])
    root = tmp_path / "project"
    for name, text in {
        "strategies/__init__.py": "",
        "strategies/sign.py": "def sign(x):\n    if x > 0:\n        return 1\n    return -1\n",
        "tests/__init__.py": "",
        "tests/test_sign.py": "from strategies.sign import sign\n\ndef test_one():\n    assert sign(2) == 1\n",
        "pyproject.toml": "[tool.pytest.ini_options]\nmarkers = ['slow', 'gpu', 'deployment']\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Stage(root)


def test_a_fault_that_a_test_notices_is_noticed_and_the_file_is_put_back(stage):
    node = "tests/test_sign.py::test_one"
    known = selection.Coverage({("strategies/sign.py", 2): frozenset({node})}, {}, {node: 0.1})
    file, right = "strategies/sign.py", (stage.root / "strategies/sign.py").read_text()
    noticed = command.play(stage, known, Mutant("zero", file, "x > 0", "x < 0"))
    assert (noticed.fate, noticed.by) == ("noticed", "test_sign.py::test_one")
    assert command.play(stage, known, Mutant("one", file, "x > 0", "x > 1")).fate == "SURVIVED"
    assert command.play(stage, known, Mutant("two", file, "return -1", "return -2")).fate == "RUN BY NO TEST"
    assert (stage.root / file).read_text() == right
    assert stage.play([node]).verdict is Played.PASSED


def test_the_tests_to_try_are_those_that_run_the_line_the_nearest_and_quickest_first():
    far, near, slow = "tests/test_a.py::t", "tests/strategies/test_b.py::t", "tests/strategies/test_c.py::t"
    by_line = {("strategies/x.py", 3): frozenset({far, slow, near})}
    known = selection.Coverage(by_line, {"strategies/x.py": frozenset({far, near})}, {far: 0.0, near: 0.1, slow: 5.0})
    assert known.of("strategies/x.py", range(2, 4)) == [near, slow, far]
    assert known.of("strategies/x.py", [9]) == [near, far]
    assert known.of("strategies/y.py", [1]) == []


def test_the_table_counts_by_package():
    lines = [
        table.Line(Mutant("a", "strategies/x.py", "1", "2"), "noticed", "test_x.py::t"),
        table.Line(Mutant("b", "strategies/x.py", "1", "3"), "SURVIVED"),
        table.Line(Mutant("c", "clients/y.py", "1", "2"), "noticed", "test_y.py::t"),
    ]
    assert table.summary(lines) == "clients: 1 of 1 noticed; strategies: 1 of 2 noticed"
    assert Path(lines[0].mutant.file).name == "x.py"
