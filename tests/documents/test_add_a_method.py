"""The example of docs/add-a-method.md is a method, and its reference agrees with it."""

import os
import re
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest
import torch

from strategies.method import Method
from strategies.server.combination import aggregate
from strategies.state import Group
from tests.support.documents import document
from tests.support.repository import REPOSITORY
from tests.support.rounds import RANK, SCALE, numpy_of

GROUP = Group(6, 5, ("first", "second"))


def module_of(block, name):
    """A block of the page as a module. Dataclasses look for the module of their class."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(block, name, "exec"), module.__dict__)
    return module


def test_the_example_is_the_rule_that_its_reference_says(monkeypatch):
    method_block, reference_block = document("docs/add-a-method.md").blocks("python")
    for name in ("svd_split", "svd_split_reference"):
        monkeypatch.setitem(sys.modules, name, None)  # taken out again at the end
    (cls,) = [
        value
        for value in vars(module_of(method_block, "svd_split")).values()
        if isinstance(value, type) and issubclass(value, Method) and value is not Method
    ]
    reference = module_of(reference_block, "svd_split_reference")
    method, w = cls(power=0.25), [1.0, 3.0]
    state = {symbol: tensor.double() for symbol, tensor in method.initial(GROUP, RANK, 1).items()}
    torch.manual_seed(5)
    uploads = [{symbol: torch.randn_like(tensor) for symbol, tensor in state.items()} for _ in w]
    new = aggregate(method, 1, state, uploads, w)
    expected = reference.aggregate(1, numpy_of(state), [numpy_of(u) for u in uploads], [0.25, 0.75], power=0.25)
    torch.testing.assert_close(
        SCALE * new["B"] @ new["A"], torch.from_numpy(reference.delta_weight(expected, {}, SCALE)), rtol=0, atol=1e-12
    )
    torch.testing.assert_close(
        torch.linalg.matrix_norm(new["B"]), torch.from_numpy(np.linalg.norm(expected["B"], axis=(1, 2)))
    )


def test_the_table_of_what_a_method_can_say_has_all_members_in_their_order():
    table = document("docs/add-a-method.md").section("What a method can say")
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    members = [name for name in vars(Method) if not name.startswith("_")]
    assert listed == members


def with_the_example(folder):
    """A copy of the project in which the steps of the page that concern code have been done."""
    shutil.copytree(REPOSITORY, folder, ignore=shutil.ignore_patterns(".*", "runs", "build", "__pycache__"))
    method, reference = document("docs/add-a-method.md").blocks("python")
    (folder / "strategies/methods/svd_split.py").write_text(method)
    (folder / "tests/reference/svd_split.py").write_text(reference)
    (folder / "conf/methods/svd-split.toml").write_text('[strategy]\nname = "svd-split"\n')
    own = "[tool.flwr.app.config.strategy.svd-split]\npower = 0.5  # the share of the singular values on B\n\n"
    for file, place, more in (
        ("strategies/methods/__init__.py", "METHODS: dict", "from strategies.methods.svd_split import SVDSplit\n\n"),
        ("strategies/methods/__init__.py", "}\n", '    "svd-split": SVDSplit,\n'),
        ("pyproject.toml", "[tool.flwr.app.config.adapter]", own),
        (
            "tests/strategies/methods/test_method_traffic.py",
            '}\n"""Method -> ',
            '    "svd-split": (factors, factors),\n',
        ),
    ):
        text = (folder / file).read_text()
        assert text.count(place) == 1, (file, place)
        (folder / file).write_text(text.replace(place, more + place))
    return folder


@pytest.mark.slow
def test_the_steps_of_the_page_make_a_method_whose_tests_pass(tmp_path):
    copy = with_the_example(tmp_path / "copy")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow and not gpu"]
    command += [
        "-k",
        "svd-split or svd_split",
        "tests/strategies",
        "tests/florg_app/config",
        "tests/florg_app/test_app.py",
    ]
    environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 40
