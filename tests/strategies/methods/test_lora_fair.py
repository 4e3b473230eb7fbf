"""What LoRA-FAIR's correction of B gains, and what it leaves alone."""

from itertools import pairwise

import pytest
import torch

from strategies.methods.fedit import FedIT
from strategies.methods.lora_fair import LoRAFAIR
from strategies.server.combination import aggregate
from tests.support.rounds import TALL, WIDE, W, start, trained

GROUPS = pytest.mark.parametrize("group", [TALL, WIDE], ids=lambda group: group.name)
SIZES = pytest.mark.parametrize("size", [1.0, 1e-3], ids=["B of order 1", "small B"])


def round_of(method, group, size=1.0):
    """(new state, mean of the factors, mean product), each upload's B times `size`."""
    state = start(FedIT(), group)
    uploads = [{"A": upload["A"], "B": size * upload["B"]} for upload in trained(FedIT(), state)]
    D = sum(w * upload["B"] @ upload["A"] for w, upload in zip(W, uploads, strict=True)) / sum(W)
    return aggregate(method, 2, state, uploads, W), aggregate(FedIT(), 2, state, uploads, W), D


def objective(B, mean, D, regularization=0.01):
    """1 - cos(D, B A) + lambda ||B - mean B||^2 of each layer, from dense products."""
    cosine = torch.cosine_similarity(D.flatten(1), (B @ mean["A"]).flatten(1))
    return 1 - cosine + regularization * (B - mean["B"]).square().sum((-2, -1))


@GROUPS
@SIZES
def test_more_steps_lower_the_objective_down_to_a_stationary_point(group, size):
    values = []
    for steps in (1, 2, 5, 20, 500):
        new, mean, D = round_of(LoRAFAIR(steps=steps), group, size)
        values.append(objective(new["B"], mean, D))
    assert (values[0] < objective(mean["B"], mean, D)).all()
    assert all((later <= earlier + 1e-12).all() for earlier, later in pairwise(values))
    B = new["B"].clone().requires_grad_()
    objective(B, mean, D).sum().backward()
    assert (B.grad.norm() * B.norm()).item() < 1e-3


@GROUPS
@SIZES
def test_the_similarity_turns_the_update_and_keeps_its_size(group, size):
    new, mean, _ = round_of(LoRAFAIR(), group, size)
    ratio = (new["B"] @ mean["A"]).norm() / (mean["B"] @ mean["A"]).norm()
    assert 0.8 < ratio < 1.5


@GROUPS
def test_ridge_is_no_farther_from_the_mean_product_than_the_means(group):
    new, mean, D = round_of(LoRAFAIR(solver="ridge"), group)
    assert ((D - new["B"] @ new["A"]).norm(dim=(-2, -1)) <= (D - mean["B"] @ mean["A"]).norm(dim=(-2, -1))).all()


@pytest.mark.parametrize("solver", ["similarity", "ridge"])
def test_a_large_regularization_is_fedit(solver):
    new, mean, _ = round_of(LoRAFAIR(solver=solver, regularization=1e12), TALL)
    for symbol in ("A", "B"):
        torch.testing.assert_close(new[symbol], mean[symbol], rtol=0, atol=1e-9)


@pytest.mark.parametrize("solver", ["similarity", "ridge"])
def test_without_any_update_nothing_is_corrected(solver):
    new, _, _ = round_of(LoRAFAIR(solver=solver), TALL, size=0.0)
    assert new["B"].count_nonzero() == 0
