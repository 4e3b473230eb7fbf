"""Facts about FLoRG on the client: its start, its gradient, its settings, and when alignment can matter."""

import dataclasses
import math

import annotated_types
import numpy as np
import pytest
import torch

from strategies.methods.florg import FLoRG
from strategies.parametrisation import PARAMETRISATIONS
from strategies.server.combination import aggregate
from strategies.state import Group
from tests.support.generators import gaussian
from tests.support.rounds import TALL, WIDE, frozen

GROUP = Group(6, 5, ("a", "b", "c"))
RANK, SCALE = 2, 4.0


def bases(method, group=GROUP):
    fixed = method.fixed(group, RANK, 1, lambda group: torch.empty(0))
    wide = {side: fixed[side].to("cpu", torch.float64) for side in "LR"}
    return {**wide, "A1": fixed["A1"].double()} if "A1" in fixed else wide


def delta(A, fixed):
    B, down = PARAMETRISATIONS["gram"].factors({"A": A}, fixed, SCALE)
    return B @ down


def gram(A):
    return A.mT @ A


@pytest.mark.parametrize("group", [Group(6, 5, ("a", "b")), Group(4, 7, ("a", "b"))], ids=lambda group: group.name)
@pytest.mark.parametrize("kind", ["haar", "signed-permutation", "hadamard"])
def test_one_basis_carries_the_same_updates_as_two(kind, group):
    """o <= i: A' = A L^T gives L A^T A R = A'^T A' (L R); o > i: A' = A R gives (L R) A'^T A'."""
    fixed = bases(FLoRG(basis=kind, zero_start=False), group)
    L, R = fixed["L"].dense().mT, fixed["R"].dense()
    A = gaussian(np.random.default_rng(1), 2, RANK, group.k)
    wide = group.out_features <= group.in_features
    one = gram(A @ L.mT) @ (L @ R) if wide else (L @ R) @ gram(A @ R)
    torch.testing.assert_close(delta(A, fixed), SCALE * one, rtol=0, atol=1e-5)


def test_means_commute_with_the_bases_and_norms_pass_through():
    """L mean(Q_n) R = mean(L Q_n R) and ||L Q R|| = ||Q||."""
    fixed = bases(FLoRG(zero_start=False))
    A_n = gaussian(np.random.default_rng(2), 4, 3, RANK, 5)
    Q = gram(A_n).mean(0)
    dW = SCALE * fixed["L"].dense().mT @ Q @ fixed["R"].dense()
    torch.testing.assert_close(delta(A_n, fixed).mean(0), dW)
    torch.testing.assert_close(dW.norm(), SCALE * Q.norm(), rtol=0, atol=1e-5)


def test_the_initial_factor_is_gaussian_with_the_chosen_standard_deviation():
    A = FLoRG(initial_std=0.3).initial(Group(400, 300, ("a", "b")), 4, 1)["A"]
    assert A.shape == (2, 4, 300)
    assert A.std().item() == pytest.approx(0.3, rel=0.05)
    assert not torch.equal(A[0], A[1])


@pytest.mark.parametrize("group", [Group(96, 64, ("a",)), Group(400, 600, ("a", "b"))], ids=lambda group: group.name)
@pytest.mark.parametrize("size", [1.0, 0.25])
def test_the_published_start_is_as_far_from_w0_in_layers_of_every_size(group, size):
    """||dW^1||_2 = s c^2 (1 + sqrt(r / k))^2 up to what a Gaussian matrix of that shape deviates."""
    method, rank = FLoRG(initial_norm=size, zero_start=False), 4
    fixed = {s: value.to("cpu", torch.float64) for s, value in method.fixed(group, rank, 1, frozen).items()}
    update = PARAMETRISATIONS["gram"].update(
        {s: A.double() for s, A in method.initial(group, rank, 1).items()}, fixed, SCALE
    )
    expected = SCALE * size**2 * (1 + math.sqrt(rank / group.k)) ** 2
    for norm in torch.linalg.matrix_norm(update, ord=2).tolist():
        assert norm == pytest.approx(expected, rel=0.3)


def test_with_one_deviation_for_all_layers_the_published_start_grows_with_the_layer():
    """||dW^1||_2 = s sigma^2 (sqrt(k) + sqrt(r))^2."""
    for k, expected in ((768, 33.0), (3072, 132.0)):
        A = FLoRG(initial_std=0.1).initial(Group(k + 5, k, ("a",)), 4, 1)["A"].double()
        assert 4 * torch.linalg.matrix_norm(A, ord=2).item() ** 2 == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("group", [TALL, WIDE], ids=lambda group: group.name)
def test_the_start_is_at_w0_unless_the_published_one_is_asked_for(group):
    for method, at_w0 in ((FLoRG(), True), (FLoRG(zero_start=False), False)):
        fixed = {s: value.to("cpu", torch.float64) for s, value in method.fixed(group, RANK, 1, frozen).items()}
        A = method.initial(group, RANK, 1)["A"].double()
        assert (PARAMETRISATIONS["gram"].update({"A": A}, fixed, SCALE).count_nonzero() == 0) == at_w0


def test_two_sizes_of_the_initial_factor_are_refused_by_name():
    with pytest.raises(
        ValueError, match=r"strategy\.florg\.initial-std = 0\.1 and strategy\.florg\.initial-norm = 2 both"
    ):
        FLoRG(initial_std=0.1, initial_norm=2.0)


def test_zero_start_begins_at_the_frozen_weights_and_keeps_the_gradient():
    plain, zero = (FLoRG(initial_std=1.0, zero_start=zero) for zero in (False, True))
    A = zero.initial(GROUP, RANK, 1)["A"].double().requires_grad_()
    assert delta(A, bases(zero)).count_nonzero() == 0
    assert delta(A, bases(plain)).abs().max() > 0.1
    target = gaussian(np.random.default_rng(0), 3, 6, 5)
    gradients = [torch.autograd.grad((delta(A, bases(method)) * target).sum(), A)[0] for method in (plain, zero)]
    torch.testing.assert_close(*gradients)


def test_a_small_change_from_a_zero_start_survives_half_precision():
    zero = FLoRG(initial_std=1.0, zero_start=True)
    A = zero.initial(GROUP, RANK, 1)["A"].double()
    A = A + gaussian(np.random.default_rng(4), *A.shape) / 1000
    B_up, A_down = PARAMETRISATIONS["gram"].factors({"A": A}, bases(zero), SCALE)
    exact, rounded = B_up @ A_down, B_up.bfloat16().double() @ A_down.bfloat16().double()
    assert (rounded - exact).norm() < 0.01 * exact.norm()


def test_the_gradient_is_a_times_h_plus_its_transpose():
    """Eq. 2: grad_A = A (H + H^T), H = s L^T (dF/dW) R^T."""
    fixed = bases(FLoRG())
    A = gaussian(np.random.default_rng(1), 3, RANK, 5).requires_grad_()
    G = gaussian(np.random.default_rng(2), 3, 6, 5)
    (gradient,) = torch.autograd.grad((delta(A, fixed) * G).sum(), A)
    H = SCALE * fixed["L"].dense() @ G @ fixed["R"].dense().mT
    torch.testing.assert_close(gradient, (A @ (H + H.mT)).detach())


def test_zero_is_a_stationary_point():
    A = torch.zeros(3, RANK, 5, dtype=torch.float64, requires_grad=True)
    loss = (delta(A, bases(FLoRG())) - gaussian(np.random.default_rng(3), 3, 6, 5)).square().sum()
    assert torch.autograd.grad(loss, A)[0].count_nonzero() == 0


def sgd(A, fixed, target, steps=5, rate=1e-3):
    """A client's training towards its own target, by plain gradient descent on ||dW - target||^2."""
    for _ in range(steps):
        A = A.detach().requires_grad_()
        A = A - rate * torch.autograd.grad((delta(A, fixed) - target).square().sum(), A)[0]
    return A.detach()


def models(method, rounds=4):
    """dW after each round of federated gradient descent."""
    fixed, rng = bases(method), np.random.default_rng(4)
    targets = [gaussian(rng, 3, 6, 5) for _ in range(3)]
    A = FLoRG(initial_std=0.5).initial(GROUP, RANK, 1)["A"].double()
    trajectory = []
    for t in range(1, rounds + 1):
        uploads = [{"A": sgd(A, fixed, target)} for target in targets]
        A = aggregate(method, t, {"A": A}, uploads, [1.0, 2.0, 3.0])["A"]
        trajectory.append(delta(A, fixed))
    return torch.stack(trajectory)


def test_under_plain_gradient_descent_alignment_changes_the_factors_but_not_the_model():
    aligned, unaligned = (models(FLoRG(solver="truncate", align=align)) for align in (True, False))
    torch.testing.assert_close(aligned, unaligned, rtol=0, atol=1e-9)
    assert (aligned[-1] - aligned[0]).norm() > 0.1


def test_the_drift_is_reported_with_and_without_alignment():
    method = FLoRG(initial_std=1.0)
    old = {"A": method.initial(GROUP, RANK, 1)["A"].double()}
    uploads = [{"A": old["A"] + 0.1 * gaussian(np.random.default_rng(n), 3, RANK, 5)} for n in range(3)]
    new = aggregate(method, 1, old, uploads, [1.0, 1.0, 1.0])
    report = method.diagnose(old, new)
    spectrum = torch.linalg.svdvals(new["A"]).square()
    assert report["drift"] == pytest.approx((new["A"] - old["A"]).norm().item())
    assert report["lambda-min"] == pytest.approx(spectrum.min().item())
    assert report["lambda-max"] == pytest.approx(spectrum.max().item())
    assert report["drift"] < report["drift-unaligned"] <= old["A"].norm() + new["A"].norm()


def test_the_closed_form_without_alignment_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"strategy\.florg\.align = false .*'closed-form'.*'literal' or 'truncate'"):
        FLoRG(align=False)


def test_a_zero_initial_factor_is_outside_the_declared_range():
    types = {field.name: field.type for field in dataclasses.fields(FLoRG)}
    assert types["initial_norm"].__metadata__ == (annotated_types.Gt(0),)
    assert types["initial_std"].__metadata__ == (annotated_types.Ge(0),)
    assert FLoRG(initial_std=0.0).initial(GROUP, RANK, 1)["A"].all()  # 0 stands for the other setting
