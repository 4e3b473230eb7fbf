"""A plan that does not fit is said in a sentence that names method, symbols and the next move."""

import pytest
import torch

from florg_app.engines.inline import task_identity
from strategies import METHODS
from strategies.method import Method
from strategies.methods.fedit import FedIT
from strategies.plan import Plan, Role
from strategies.plan_check import check_made, check_plan
from strategies.server.combination import Combination
from tests.support.fakes import Run, assert_same_bits, examples_of, initial_state, moved
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


def test_what_the_server_alone_holds_is_named_after_a_symbol_and_made_like_the_others():
    roles = {"A": Role.SHARED, "B": Role.SHARED}
    method = Slip(Plan("lora", {**roles, "B.momentum": Role.SERVER}))
    check_plan(method)
    with pytest.raises(ValueError, match=r"B\.momentum not made"):
        check_made(method, ["A", "B"])
    for name in ("momentum", "C.momentum", "A"):
        with pytest.raises(ValueError, match=rf"{name} held by the server alone, but not named after a symbol"):
            check_plan(Slip(Plan("lora", {**roles, name: Role.SERVER})))


class Momentum(FedIT):
    """FedIT with a momentum of the server on A, as a method of its own."""

    @property
    def plan(self):
        return Plan("lora", {"A": Role.SHARED, "B": Role.SHARED, "A.momentum": Role.SERVER})

    def initial(self, group, rank, seed):
        made = super().initial(group, rank, seed)
        return {**made, "A.momentum": torch.zeros_like(made["A"])}

    def finish(self, t, state, total):
        m = 0.5 * state["A.momentum"] + total["A"] - state["A"]
        return {"A": state["A"] + m, "B": total["B"], "A.momentum": m}


class Forgetful(Momentum):
    """It forgets its momentum."""

    def finish(self, t, state, total):
        return total


def test_a_rule_with_a_momentum_of_the_server_is_one_class_whose_momentum_never_travels():
    with task_identity():
        run = Run(Momentum(), num_clients=3).go(3)
    assert "6x5/A.momentum" in run.state.flat
    assert not any("momentum" in key for key in (*run.manifest.uplink, *run.manifest.downlink))
    manifest, state = run.manifest, initial_state(Momentum(), run.manifest)
    for t in (1, 2, 3):
        combination = Combination(Momentum(), t, state, "cpu")
        for partition in range(3):
            combination.add(moved(manifest, state, t, partition), examples_of(partition))
        state = combination.finish()
    assert_same_bits(run.state, state)


def test_a_step_that_forgets_what_the_server_holds_is_a_sentence():
    with task_identity(), pytest.raises(ValueError, match=r"its step returns no A\.momentum, which the server holds"):
        Run(Forgetful(), num_clients=3).go(1)
