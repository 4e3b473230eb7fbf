"""What stands beside each method in the tests: its literal reference, found by the method's name."""

import importlib
from types import ModuleType

from strategies.method import Method
from tests.support.repository import REPOSITORY

NEEDED = {"aggregate": "step 1", "delta_weight": "step 1", "WEIGHTING": "step 1"}
"""What a reference has, and the step of docs/add-a-method.md that says so."""


def reference_of(method: Method | type[Method]) -> ModuleType:
    """The module tests/reference/NAME.py. Raises LookupError, with file and remedy, where it or a part is missing."""
    name = f"{method.name.replace('-', '_')}"
    file = REPOSITORY / "tests/reference" / f"{name}.py"
    what = f'strategy.name = "{method.name}": its reference tests/reference/{name}.py'
    if not file.is_file():
        raise LookupError(
            f"{what} is not there; it is named like the method, with _ for -: docs/add-a-method.md, step 1"
        )
    module = importlib.import_module(f"tests.reference.{name}")
    if lacking := [part for part in NEEDED if not hasattr(module, part)]:
        raise LookupError(f"{what} lacks {', '.join(lacking)}: docs/add-a-method.md, step 1")
    return module
