"""A plan that does not fit is said in a sentence that names method, symbols and the next move."""

import pytest

from strategies import METHODS
from strategies.method import Method, Plan, Role
from strategies.plan_check import check_made, check_plan
from tests.support.rounds import TALL, initial


class Slip(Method):
    """A method whose plan is given."""

    name, summary = "slip", "a slip of the pen"

    def __init__(self, plan):
        self._plan = plan

    @property
    def plan(self):
        return self._plan

    def initial(self, group, rank, seed):
        return {}


@pytest.mark.parametrize("name", METHODS)
def test_the_plans_of_all_methods_fit_what_they_make(name):
    method = METHODS[name]()
    check_plan(method)
    check_made(method, initial(method, TALL))


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (
            Plan("loar", {"A": Role.SHARED}),
            r"""strategy\.name = "slip": its plan has adapter = 'loar', .*lora, .*take one""",
        ),
        (Plan("lora", {"A": Role.SHARED}), r"'lora', whose symbols are A, B: B without a role; give each"),
        (Plan("gram", {"A": Role.SHARED, "B": Role.SHARED, "C": Role.FIXED}), r"symbols are A: B, C not the adapter's"),
        (Plan("lora", {"a": Role.SHARED, "B": Role.SHARED}), r"A without a role; a not the adapter's"),
    ],
    ids=["no such adapter", "no role", "other symbols", "misspelt"],
)
def test_a_plan_that_does_not_fit_its_adapter_is_a_sentence(plan, words):
    with pytest.raises(ValueError, match=words):
        check_plan(Slip(plan))


def test_symbols_that_nobody_makes_or_that_have_no_role_are_a_sentence():
    method = Slip(Plan("lora", {"A": Role.SHARED, "B": Role.LOCAL}))
    check_made(method, ["A", "B"])
    with pytest.raises(ValueError, match=r"B not made; make these there"):
        check_made(method, ["A"])
    with pytest.raises(ValueError, match=r"C of no role; make these there, or change their roles in `plan`"):
        check_made(method, ["A", "B", "C"])
