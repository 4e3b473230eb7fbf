"""GaLore's projector and steps; shapes are never square, layers are batched."""

from functools import partial

import pytest
import torch
from torch.optim import SGD, AdamW

from clients.galore import GaLore, project, project_back, projector, side_of
from clients.optimizers import build_optimizer
from florg_app.assembly import assemble
from florg_app.config.parse import parse_settings
from strategies.methods.fedftg import FedFTG
from strategies.projection import Projection
from tests.support.rounds import TALL

SHAPES = {"tall": (3, 6, 5), "wide": (2, 4, 7)}


def gradient(shape, seed=0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moved(projection: Projection, build=SGD, shape=SHAPES["tall"], steps=1, weight_decay=0.0, lr=0.1):
    """(W' - W, the gradients) of some steps from W = 1."""
    W = torch.ones(shape, dtype=torch.float64, requires_grad=True)
    optimizer = GaLore([{"params": [W], "lr": lr, "project": True, "weight_decay": weight_decay}], build, projection)
    gradients = [gradient(shape, seed) for seed in range(steps)]
    for G in gradients:
        W.grad = G.clone()
        optimizer.step()
    return (W - 1).detach(), gradients


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_the_projection_is_idempotent_and_of_the_shape_of_its_side(shape, side):
    G, r = gradient(shape), 2
    P = projector(G, r, side)
    R = project(G, P, side)
    l, m, n = shape  # noqa: E741 - the legend's letter
    assert R.shape == ((l, m, r) if side == "right" else (l, r, n))
    once = project_back(R, P, side)
    torch.testing.assert_close(project_back(project(once, P, side), P, side), once)
    U, S, Vh = torch.linalg.svd(G, full_matrices=False)
    torch.testing.assert_close(once, U[..., :r] * S[..., None, :r] @ Vh[..., :r, :])  # the best of rank r


def test_the_standard_side_is_the_shorter_one():
    assert [side_of(m, n, "std") for m, n in [(6, 5), (5, 5), (4, 7)]] == ["right", "right", "left"]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_an_sgd_step_is_the_projected_gradient_times_rate_and_scale(shape):
    change, (G,) = moved(Projection(2, 1, 0.25), shape=shape)
    side = side_of(*shape[1:], "std")
    P = projector(G, 2, side)
    expected = G @ P @ P.mT if side == "right" else P @ P.mT @ G
    torch.testing.assert_close(change, -0.1 * 0.25 * expected)
    assert torch.linalg.matrix_rank(change, atol=1e-9).tolist() == [2] * shape[0]


def test_full_rank_and_scale_one_is_plain_sgd():
    change, gradients = moved(Projection(5, 1, 1.0), steps=3)
    torch.testing.assert_close(change, -0.1 * sum(gradients))


def test_with_momentum_too_full_rank_is_plain_while_the_projector_stays():
    build = partial(SGD, momentum=0.9)
    change, gradients = moved(Projection(5, 100, 1.0), build, steps=3)
    W = torch.ones(SHAPES["tall"], dtype=torch.float64, requires_grad=True)
    plain = build([{"params": [W], "lr": 0.1}])
    for G in gradients:
        W.grad = G.clone()
        plain.step()
    torch.testing.assert_close(change, (W - 1).detach())


@pytest.mark.parametrize(("gap", "rank"), [(100, 2), (2, 4)])
def test_the_rank_of_a_rounds_change_grows_with_each_choice_of_the_projector(gap, rank):
    change, _ = moved(Projection(2, gap, 1.0), AdamW, steps=4)
    assert torch.linalg.matrix_rank(change, atol=1e-9).tolist() == [rank] * 3


def test_weight_decay_is_decoupled_and_acts_on_the_whole_weight():
    change, (G,) = moved(Projection(2, 1, 1.0), weight_decay=0.5)
    P = projector(G, 2, "right")
    torch.testing.assert_close(change, -0.1 * 0.5 * torch.ones_like(G) - 0.1 * G @ P @ P.mT)


def test_the_moments_live_in_the_low_rank_space_and_the_head_is_not_projected():
    W, head = torch.zeros(3, 6, 5, requires_grad=True), torch.zeros(4, requires_grad=True)
    optimizer = build_optimizer("adamw", [W], [head], 0.1, 0.2, 0.0, 0.0, Projection(2, 1, 1.0))
    W.grad, head.grad = torch.randn(3, 6, 5), torch.ones(4)
    optimizer.step()
    assert isinstance(optimizer, GaLore)
    shapes = [tuple(state["exp_avg"].shape) for state in optimizer.inner.state.values()]
    assert shapes == [(3, 6, 2), (4,)]
    torch.testing.assert_close(head.detach(), torch.full((4,), -0.2))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_with_adamw_steps_are_those_of_galores_own_code(shape):
    """eps is added to the root of the second moment before its bias is corrected: arXiv 2403.03507, their AdamW."""
    eps, lr, scale = 1e-2, 0.1, 0.25
    change, gradients = moved(Projection(2, 3, scale, eps=eps), AdamW, shape=shape, steps=5, lr=lr)
    side = side_of(*shape[1:], "std")
    expected, m, v = torch.zeros_like(change), 0.0, 0.0
    for t, G in enumerate(gradients, start=1):
        if t in (1, 4):
            P = projector(G, 2, side)
        R = G @ P if side == "right" else P.mT @ G
        m, v = 0.9 * m + 0.1 * R, 0.999 * v + 0.001 * R * R
        step_size = lr * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t)
        N = m / (v.sqrt() + eps)
        expected -= step_size * scale * (N @ P.mT if side == "right" else P @ N)
    torch.testing.assert_close(change, expected)


@pytest.mark.parametrize("steps", [1, 4])
def test_with_adamw_and_eps_in_torchs_place_full_rank_is_plain(steps):
    projection = Projection(5, 100, 1.0, eps=1e-2, eps_place="after")
    change, gradients = moved(projection, AdamW, steps=steps)
    P = projector(gradients[0], 5, "right")
    low = torch.zeros(3, 6, 5, dtype=torch.float64, requires_grad=True)
    plain = AdamW([low], lr=0.1, eps=1e-2, weight_decay=0.0)
    for G in gradients:
        low.grad = G @ P
        plain.step()
    torch.testing.assert_close(change, (low @ P.mT).detach())
    assert not torch.allclose(change, moved(Projection(5, 100, 1.0, eps=1e-2), AdamW, steps=steps)[0], rtol=1e-3)


def test_a_rank_above_the_shorter_side_names_the_layers():
    with pytest.raises(ValueError, match=r"strategy\.fedftg\.rank = 6 exceeds .* 5 .*6x5"):
        FedFTG(rank=6).check(TALL, 2)


def test_only_the_up_projections_are_adapted():
    assembly = assemble(parse_settings({"strategy.name": "fedftg"}), torch.device("cpu"))
    (group,) = assembly.manifest.groups
    assert group.layers
    assert all(name.endswith("intermediate.dense") for name in group.layers)
    assert assembly.manifest.scale == 1.0
