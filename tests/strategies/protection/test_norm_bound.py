"""The bound on what one client may change: measured where the method is moved by it."""

import numpy as np
import pytest
import torch

from florg_app.engines.inline import task_identity
from strategies import METHODS
from strategies.exchange.screening import Upload
from strategies.exchange.traffic import Traffic
from strategies.methods.florg import FLoRG
from strategies.plan import UPLOADED
from strategies.protection.robust import Robustness, within_bound
from strategies.server.change_norms import change_norms
from strategies.state import State
from tests.strategies.methods.test_methods import TURNS
from tests.strategies.server.test_faults import change_array
from tests.support.fakes import Run, assert_same_bits, expected_state
from tests.support.generators import orthogonal
from tests.support.rounds import RANK, TALL, T, cases, trained, whole


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


BOUND = Robustness(norm_bound=3.0)


@pytest.mark.parametrize("form", ["tensors", "summand"])
def test_an_upload_that_changed_far_more_than_the_others_is_rejected_and_they_make_the_round(form):
    far = {(1, 2): change_array("head/values", lambda a: a + 1e3)}
    run = Run(FLoRG(), faults=far, robust=BOUND, upload=form).go(2)
    (rejected,) = run.records[0].rejected
    assert rejected.partition == 2
    assert "times the median of the round's uploads, above robust.norm-bound = 3" in rejected.reason
    assert [upload.partition for upload in run.records[0].accepted] == [0, 1, 3]
    assert run.records[1].rejected == []
    if form == "tensors":
        assert_same_bits(run.state, expected_state(FLoRG(), {1: [0, 1, 3], 2: [0, 1, 2, 3]}, 2))


@pytest.mark.parametrize("name", METHODS)
def test_uploads_of_usual_size_pass_the_bound_bit_for_bit(name):
    plain, bounded = Run(METHODS[name]()).go(3), Run(METHODS[name](), robust=BOUND).go(3)
    assert [record.rejected for record in bounded.records] == [[], [], []]
    assert_same_bits(plain.state, bounded.state)


def test_the_norm_is_that_of_the_change_and_not_of_the_tensors():
    """All heads lie far from zero; the client that stays where the others were is the one that changed."""
    run = Run(METHODS["fedit"](), faults={(1, p): change_array("head/values", lambda a: a + 50) for p in range(3)})
    run.go(1)
    back = {(2, 0): change_array("head/values", lambda a: a - 40)}
    again = Run(METHODS["fedit"](), faults=back, state=run.state, robust=BOUND)
    again.federation.run(again.grid, [2], lambda t, state: None)
    assert [rejected.partition for rejected in again.records[0].rejected] == [0]


def test_where_most_clients_changed_nothing_none_is_beyond_the_bound():
    zero, moved = State({"6x5": {"A": torch.zeros(2, 3)}}), State({"6x5": {"A": torch.ones(2, 3)}})
    uploads = [Upload(p, 2, tensors, 1, {}, Traffic()) for p, tensors in enumerate([zero, zero, moved])]
    norms = change_norms(
        uploads, METHODS["fedit"](), "tensors", 1, zero, lambda rank: zero, lambda tensors, rank: tensors
    )
    assert norms == [0, 0, 6**0.5]
    assert within_bound(uploads, norms, 2.0) == (uploads, [])


def test_what_clients_report_of_their_own_is_exempt_from_the_bound():
    """It grew out of all rounds; the server has a mean of it and not what this client had before."""
    far = {(1, 2): change_array("head/values", lambda a: a + 1e3)}
    method = METHODS["fedsa-lora"](global_model=True)
    assert Run(method, faults=far, robust=BOUND).go(1).records[0].rejected == []


GAUGE_FREE = [case for case in cases() if case.values[0].traits.gauge_free and case.values[0].name != "fedex-lora"]
"""FedEx-LoRA is not among them: it broadcasts the means of the factors, which a turned factor moves."""


@pytest.mark.parametrize("method", GAUGE_FREE)
@pytest.mark.parametrize("turn", ["minus", "orthogonal"])
def test_factors_turned_by_a_client_change_nothing_that_the_norm_bound_measures(method, turn):
    if method.plan.adapter == "full":
        pytest.skip("there are no factors to turn")
    begun = whole(method, TALL)
    S = -torch.eye(RANK, dtype=torch.float64) if turn == "minus" else orthogonal(np.random.default_rng(5), RANK)
    (upload,) = trained(method, begun, n=1)
    turned = TURNS[method.plan.adapter.partition("+")[0]](upload, S)
    (far,) = trained(method, begun, n=1, seed=2)
    same, other = (distance(method, begun, upload, another) for another in (turned, far))
    assert same < 1e-7 * other


def distance(method, begun, one, other) -> float:
    """How far apart two uploads are, as the bound would measure it from the one to the other."""
    start = State({TALL.name: begun})
    zero = State({TALL.name: one})
    upload = Upload(0, RANK, State({TALL.name: other}), 1, {}, Traffic())
    (norm,) = change_norms([upload], method, "tensors", T, start, lambda rank: zero, lambda tensors, rank: tensors)
    return norm


@pytest.mark.parametrize("solver", ["closed-form", "literal", "truncate"])
@pytest.mark.parametrize("form", ["tensors", "summand"])
def test_florgs_honest_minus_a_is_used_and_moves_nothing(solver, form):
    if form == "summand" and solver == "truncate":
        pytest.skip("there is no summand")

    def minus(reply):
        for key in ("6x5/A", "4x7/A"):
            change_array(key, lambda A: -A)(reply)
        return reply

    plain = Run(FLoRG(solver=solver), robust=BOUND, upload=form).go(1)
    # Of a summand the client's A is not seen: it is the same for -A, so that there is nothing to change.
    turned = Run(
        FLoRG(solver=solver), robust=BOUND, upload=form, faults={(1, 2): minus} if form == "tensors" else {}
    ).go(1)
    assert turned.records[0].rejected == []
    for key, tensor in turned.state.flat.items():
        torch.testing.assert_close(tensor, plain.state.flat[key], rtol=0, atol=1e-5)


def test_what_is_pushed_hard_is_still_rejected_under_florg():
    far = {(1, 2): change_array("6x5/A", lambda A: 20 * A)}
    (rejected,) = Run(FLoRG(), robust=BOUND, faults=far).go(1).records[0].rejected
    assert rejected.partition == 2
    assert "times the median" in rejected.reason


def test_a_client_that_changed_nothing_has_a_norm_of_exactly_zero():
    for method in (FLoRG(), FLoRG(solver="literal"), METHODS["flexlora"](), METHODS["flora"]()):
        begun = whole(method, TALL)
        upload = {symbol: begun[symbol] for symbol in method.plan.named(*UPLOADED)}
        assert distance(method, begun, upload, upload) == 0
