"""Methods that train a small matrix between frozen factors: what these factors are, and where training starts."""

import numpy as np
import pytest
import torch

from strategies.methods.fed_sb import FedSB
from strategies.methods.lora_xs import LoRAXS
from strategies.methods.ravan import RAVAN
from strategies.parametrisation import PARAMETRISATIONS
from strategies.starts.from_adapter import start_from
from strategies.starts.sketch import leading_directions, probe_matrices
from strategies.state import Group
from tests.reference import fed_sb as fed_sb_reference
from tests.reference import lora_xs as lora_xs_reference
from tests.support.rounds import SCALE, SEED, TALL, WIDE, frozen

GROUP = pytest.mark.parametrize("group", [TALL, WIDE], ids=lambda group: group.name)
RANK = 3
CORE = PARAMETRISATIONS["core"]


@GROUP
def test_lora_xs_trains_between_the_leading_singular_vectors_of_w0(group):
    fixed = LoRAXS().fixed(group, RANK, SEED, frozen)
    for layer, W0 in enumerate(frozen(group).numpy()):
        B, A = lora_xs_reference.bases(W0, RANK)
        ours_B, ours_A = (fixed[symbol][layer].double().numpy() for symbol in "BA")
        np.testing.assert_allclose(np.abs(ours_B.T @ B), np.eye(RANK), atol=1e-5)
        np.testing.assert_allclose(ours_B @ ours_A, B @ A, atol=1e-5)


def test_lora_xs_begins_with_a_small_gaussian_core_that_all_have():
    group = Group(200, 300, tuple("abcdef"))
    R = LoRAXS().initial(group, 40, SEED)["R"].double()
    assert R.shape == (6, 40, 40)
    assert R.std().item() == pytest.approx(1e-5, rel=0.05)
    assert abs(R.mean().item()) < 5e-5 / R.numel() ** 0.5
    assert not LoRAXS(initial_std=0.0).initial(group, 40, SEED)["R"].any()


def begun(method, group, G):
    """The symbols of a group in float64 as round 1 begins from this mean gradient (l, o, i)."""
    Omega, Psi = (probe.double() for probe in probe_matrices(group, 2 * RANK, SEED))
    directions = leading_directions(G @ Omega, G.mT @ Psi, Omega, RANK)
    return {**method.initial(group, RANK, SEED), **method.from_gradient(*directions)}


def low_rank_gradient(group):
    rng, count = np.random.default_rng(6), len(group.layers)
    left, right = (rng.standard_normal((count, side, RANK)) for side in (group.out_features, group.in_features))
    return torch.from_numpy(left @ right.transpose(0, 2, 1))


@GROUP
def test_the_gradient_in_fed_sbs_core_at_the_start_is_all_of_the_gradient(group):
    """Its singular values, on the diagonal: nothing of a gradient of that rank is lost."""
    G = low_rank_gradient(group)
    symbols = {symbol: tensor.double() for symbol, tensor in begun(FedSB(), group, G).items()}
    R = symbols["R"].requires_grad_()
    update = CORE.update(symbols, {}, 1.0)
    assert not update.any()
    (slope,) = torch.autograd.grad((update * G).sum(), R)
    expected = torch.diag_embed(torch.linalg.svdvals(G)[..., :RANK])
    torch.testing.assert_close(slope, expected, rtol=0, atol=1e-6)


@GROUP
def test_fed_sb_may_begin_with_a_step_of_gradient_descent(group):
    G = low_rank_gradient(group)
    symbols = {s: tensor.double() for s, tensor in begun(FedSB(step=0.25), group, G).items()}
    torch.testing.assert_close(CORE.update(symbols, {}, 1.0), -0.25 * G, rtol=0, atol=1e-6)
    for layer, one in enumerate(G.numpy()):
        B, R, A = fed_sb_reference.start(one, RANK, 0.25)
        torch.testing.assert_close(CORE.update(symbols, {}, 1.0)[layer], torch.from_numpy(B @ R @ A), rtol=0, atol=1e-6)


@GROUP
def test_a_core_begins_nearest_to_another_adapter(group):
    method, rng = LoRAXS(), np.random.default_rng(8)
    fixed = method.fixed(group, RANK, SEED, frozen)
    up, down = rng.standard_normal((group.out_features, 2)), rng.standard_normal((2, group.in_features))
    target = {group.layers[0]: (torch.from_numpy(up), torch.from_numpy(down))}
    symbols = start_from("core", group, method.initial(group, RANK, SEED), fixed, SCALE, target)
    B, A = (fixed[symbol][0].double().numpy() for symbol in "BA")
    dW = CORE.update(symbols, fixed, SCALE)[0].double().numpy()
    rest = up @ down - dW
    np.testing.assert_allclose(B.T @ rest @ A.T, 0, atol=1e-4)
    assert np.linalg.norm(rest) < np.linalg.norm(up @ down)


@GROUP
@pytest.mark.parametrize("bases", ["gram-schmidt", "orthogonal"])
def test_the_factors_of_each_of_ravans_heads_are_orthonormal(bases, group):
    fixed = RAVAN(bases=bases).fixed(group, 2, SEED, frozen)
    columns = torch.cat([fixed["B"].mT.unflatten(-2, (4, 2)).flatten(0, 1)])
    rows = fixed["A"].unflatten(-2, (4, 2)).flatten(0, 1)
    for frames in (columns, rows):
        torch.testing.assert_close(frames @ frames.mT, torch.eye(2).expand(len(frames), 2, 2))


def test_ravans_heads_are_orthogonal_to_each_other_as_far_as_the_layer_has_dimensions():
    group = Group(13, 9, ("a", "b"))
    together, apart = (RAVAN(bases=bases).fixed(group, 2, SEED, frozen) for bases in ("gram-schmidt", "orthogonal"))
    eye = torch.eye(8).expand(2, 8, 8)
    torch.testing.assert_close(together["B"].mT @ together["B"], eye)
    torch.testing.assert_close(together["A"] @ together["A"].mT, eye)
    assert (apart["A"] @ apart["A"].mT - eye).abs().max() > 0.1


@GROUP
def test_a_scale_of_ravan_counts_for_its_head_alone_and_is_part_of_the_summand(group):
    method = RAVAN(heads=2)
    fixed = {s: tensor.double() for s, tensor in method.fixed(group, 2, SEED, frozen).items()}
    H = torch.from_numpy(np.random.default_rng(9).standard_normal((len(group.layers), 2, 2, 2)))
    s = torch.tensor([2.0, -3.0]).double().expand(len(group.layers), 2)
    folded = method.contribute(1, {}, {"H": H, "s": s})["H"]
    torch.testing.assert_close(folded, torch.stack([2 * H[:, 0], -3 * H[:, 1]], 1))
    heads = PARAMETRISATIONS["core+heads-2"]
    torch.testing.assert_close(heads.update({"H": H, "s": s}, fixed, 1.5), heads.update({"H": folded}, fixed, 1.5))
