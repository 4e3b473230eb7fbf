"""What FedRot-LoRA's rotations keep, and when they act."""

import numpy as np
import pytest
import torch

from strategies.linalg import rotation
from strategies.methods.fedit import FedIT
from strategies.methods.fedrot_lora import FedRotLoRA
from strategies.parametrisation import PARAMETRISATIONS
from strategies.server.combination import aggregate
from tests.reference import fedrot_lora as reference
from tests.support.diagnosis import aggregation_error
from tests.support.generators import gaussian, orthogonal
from tests.support.rounds import SCALE, TALL, W, delta, numpy_of, shared, start, trained

LAMBDAS = pytest.mark.parametrize("rotate_lambda", [0.0, 0.3, 0.5, 1.0, 1.5])
ROUNDS = pytest.mark.parametrize("t", [1, 2, 3, 4])


def same(actual, expected, atol=1e-9):
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


@LAMBDAS
@ROUNDS
def test_a_turned_upload_has_the_product_it_had(rotate_lambda, t):
    method = FedRotLoRA(rotate_lambda=rotate_lambda)
    state = start(method, TALL)
    for upload in trained(method, state):
        same(delta(method, TALL, method.contribute(t, state, upload)), delta(method, TALL, upload))


@LAMBDAS
def test_every_lambda_matches_the_literal_reference(rotate_lambda):
    method = FedRotLoRA(rotate_lambda=rotate_lambda)
    state = start(method, TALL)
    expected = numpy_of(state)
    for t in (1, 2, 3):
        uploads = trained(method, state, seed=t)
        state = aggregate(method, t, state, uploads, W)
        w = np.array(W) / sum(W)
        expected = reference.aggregate(t, expected, [numpy_of(u) for u in uploads], w, rotate_lambda=rotate_lambda)
        for symbol in state:
            same(state[symbol], torch.from_numpy(expected[symbol]))


@ROUNDS
def test_lambda_0_is_fedit(t):
    state = start(FedIT(), TALL)
    uploads = trained(FedIT(), state)
    one, other = (aggregate(method, t, state, uploads, W) for method in (FedRotLoRA(rotate_lambda=0.0), FedIT()))
    for symbol in one:
        same(one[symbol], other[symbol])


@ROUNDS
def test_one_update_in_many_bases_is_averaged_without_error_once_the_broadcast_is_known(t):
    method, rng = FedRotLoRA(), np.random.default_rng(0)
    state = start(method, TALL)
    turns = [orthogonal(rng, 2) for _ in W]
    uploads = [{"A": S @ state["A"], "B": state["B"] @ S.mT} for S in turns]
    new = aggregate(method, t, state, uploads, W)
    w = [weight / sum(W) for weight in W]
    error = aggregation_error(PARAMETRISATIONS["lora"], {}, SCALE, uploads, w, state, new)
    assert (error < 1e-6) == (t > 1)


@pytest.mark.parametrize("t", [2, 3])
@pytest.mark.parametrize("rotate_lambda", [1.0, 1.5])
def test_alignment_brings_the_factor_of_the_round_no_farther_from_the_broadcast(rotate_lambda, t):
    method = FedRotLoRA(rotate_lambda=rotate_lambda)
    state, symbol = start(method, TALL), "A" if t == 2 else "B"
    for upload in trained(method, state):
        turned = method.contribute(t, state, upload)
        assert (turned[symbol] - state[symbol]).norm() <= (upload[symbol] - state[symbol]).norm() + 1e-12


def test_soft_alignment_rotates_and_hard_alignment_may_reflect():
    state = start(FedRotLoRA(), TALL)
    mirror = torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))
    upload = {"A": mirror @ state["A"], "B": state["B"] @ mirror}
    same(FedRotLoRA(rotate_lambda=1.5).contribute(2, state, upload)["A"], state["A"])
    soft = FedRotLoRA(rotate_lambda=1.0).contribute(2, state, upload)["A"]
    assert (soft - state["A"]).norm() > 0.1


def test_a_half_turn_at_lambda_one_half_stays_orthogonal():
    method = FedRotLoRA(rotate_lambda=0.5)
    state = start(method, TALL)
    upload = {symbol: -tensor for symbol, tensor in shared(method, state).items()}
    same(method.contribute(2, state, upload)["A"], upload["A"])


def test_a_zero_broadcast_turns_nothing():
    method = FedRotLoRA()
    state = start(method, TALL)
    (upload,) = trained(method, state, n=1)
    state = {"A": state["A"], "B": torch.zeros_like(state["B"])}
    same(method.contribute(3, state, upload)["B"], upload["B"])


def test_a_rotation_has_determinant_1_and_no_rotation_does_better():
    rng = np.random.default_rng(1)
    C = gaussian(rng, 4, 3, 3)
    best = rotation(C)
    torch.testing.assert_close(torch.linalg.det(best), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(best @ best.mT, torch.eye(3, dtype=torch.float64).expand(4, 3, 3))
    for _ in range(20):
        other = orthogonal(rng, 3)
        other = other * torch.linalg.det(other).sign()
        assert ((best - other) * C).sum((-1, -2)).min() > -1e-9
