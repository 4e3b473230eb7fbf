"""Laws of gradient sketches, of the directions found in them, and of what methods begin with; against dense SVDs."""

import numpy as np
import pytest
import torch

from strategies import METHODS
from strategies.methods.ffa_lora import FFALoRA
from strategies.methods.florg import FLoRG
from strategies.parametrisation import PARAMETRISATIONS
from strategies.plan import Role
from strategies.server.combination import Combination
from strategies.starts.sketch import leading_directions, probe_matrices
from strategies.starts.sketch_round import GradientSketch, begun_from_gradient, sketch_round
from strategies.state import Group, State
from tests.reference import gradient_start as reference
from tests.support.fakes import GROUPS as FAKE_GROUPS
from tests.support.fakes import initial_state, manifest_of
from tests.support.generators import orthogonal

TALL, WIDE = Group(19, 13, ("a", "b", "c")), Group(11, 17, ("a", "b"))
GROUPS = pytest.mark.parametrize("group", [TALL, WIDE], ids=lambda group: group.name)
RANK, COLUMNS, SEED, SCALE = 2, 5, 3, 4.0
W = [0.5, 0.2, 0.3]


def gradients(group, rank, n=3, seed=0):
    """n clients' gradients (l, o, i), whose mean has this rank: the row and column spaces are shared."""
    rng = np.random.default_rng(seed)
    l, o, i = len(group.layers), group.out_features, group.in_features  # noqa: E741 - the legend's letter
    left, right = rng.standard_normal((l, o, rank)), rng.standard_normal((l, rank, i))
    return [left @ rng.standard_normal((l, rank, rank)) @ right for _ in range(n)]


def sketched(group, G):
    Omega, Psi = (probe.double() for probe in probe_matrices(group, COLUMNS, SEED))
    G = torch.as_tensor(G)
    return G @ Omega, G.mT @ Psi, Omega


def projector(U):
    return U @ U.mT


@GROUPS
@pytest.mark.parametrize("rank", [RANK, COLUMNS])
def test_with_as_many_columns_as_the_rank_of_the_mean_gradient_its_directions_are_exact(group, rank):
    G_n = gradients(group, rank)
    mean = [reference.mean_gradient([G[layer] for G in G_n], W) for layer in range(len(group.layers))]
    U, S, V = leading_directions(*sketched(group, np.stack(mean)), RANK)
    for layer, G in enumerate(mean):
        U_r, S_r, V_r = (torch.from_numpy(found.copy()) for found in reference.directions(G, RANK))
        torch.testing.assert_close(projector(U[layer]), projector(U_r), rtol=0, atol=1e-7)
        torch.testing.assert_close(projector(V[layer]), projector(V_r), rtol=0, atol=1e-7)
        torch.testing.assert_close(S[layer], S_r, rtol=1e-7, atol=0)
        torch.testing.assert_close(U[layer].mT @ torch.from_numpy(G) @ V[layer], torch.diag(S_r), rtol=0, atol=1e-6)


@GROUPS
def test_the_sketch_of_a_mixture_is_the_mixture_of_the_sketches(group):
    method, G_n = GradientSketch(), gradients(group, 7)
    zeros = method.round_start(0, group, COLUMNS, SEED)
    sums = Combination(method, 0, State({"g": {s: tensor.double() for s, tensor in zeros.items()}}), "cpu")
    for G, weight in zip(G_n, [50.0, 20.0, 30.0], strict=True):
        Y, X, _ = sketched(group, G)
        sums.add(State({"g": {"Y": Y, "X": X}}), weight)
    found = sums.finish()["g"]
    Y, X, _ = sketched(group, reference.mean_gradient(G_n, W))
    torch.testing.assert_close(found["Y"], Y)
    torch.testing.assert_close(found["X"], X)


@GROUPS
def test_probes_keep_norms_on_average_and_depend_on_seed_side_and_group(group):
    Omega, Psi = probe_matrices(Group(400, 300, group.layers), 50, SEED)
    assert Omega.shape == (300, 50)
    assert Psi.shape == (400, 50)
    assert (Omega @ Omega.mT).diagonal().mean().item() == pytest.approx(1, rel=0.03)
    again, other = probe_matrices(group, COLUMNS, SEED)[0], probe_matrices(group, COLUMNS, SEED + 1)[0]
    assert torch.equal(again, probe_matrices(group, COLUMNS, SEED)[0])
    assert not torch.equal(again, other)


def test_of_a_falling_spectrum_nearly_all_of_the_leading_energy_is_found():
    rng, group = np.random.default_rng(5), Group(60, 50, ("a",))
    S = torch.tensor([0.5**j for j in range(50)], dtype=torch.float64)
    G = (orthogonal(rng, 60)[:, :50] * S) @ orthogonal(rng, 50)
    Omega, Psi = (probe.double() for probe in probe_matrices(group, 8, SEED))
    U, _, V = leading_directions((G @ Omega)[None], (G.mT @ Psi)[None], Omega, 4)
    found = (U[0].mT @ G @ V[0]).square().sum()
    assert found > 0.95 * S[:4].square().sum()


def test_a_layer_without_a_gradient_gets_orthonormal_directions():
    Omega, _ = probe_matrices(TALL, COLUMNS, SEED)
    U, S, V = leading_directions(torch.zeros(3, 19, COLUMNS), torch.zeros(3, 13, COLUMNS), Omega, RANK)
    assert not S.any()
    for Q in (U, V):
        torch.testing.assert_close(Q.mT @ Q, torch.eye(RANK).double().expand(3, RANK, RANK))


def florg_start(group, G):
    """(symbols in float64 as round 1 begins, bases, dense L (l, o, k), dense R (l, k, i))"""
    method = FLoRG(basis="gradient", initial_norm=0.5)
    U, S, V = leading_directions(*sketched(group, G), RANK)
    symbols = {s: tensor.double() for s, tensor in method.initial(group, RANK, SEED).items()}
    symbols |= method.from_gradient(U, S, V)
    fixed = {
        s: value.to("cpu", torch.float64)
        for s, value in method.fixed(group, RANK, SEED, lambda g: torch.empty(0)).items()
    }
    return symbols, fixed, S


@GROUPS
def test_the_gradient_in_florgs_factor_at_the_start_points_along_minus_s(group):
    G = torch.from_numpy(gradients(group, COLUMNS)[0])
    symbols, fixed, S = florg_start(group, G)
    A = symbols["A"].clone().requires_grad_()
    update = PARAMETRISATIONS["gram+turned"].update({**symbols, "A": A}, fixed, SCALE)
    assert update.count_nonzero() == 0  # training starts at W0
    (slope,) = torch.autograd.grad((update * G).sum(), A)
    expected = torch.zeros_like(slope)
    expected[..., :RANK] = -2 * SCALE * 0.5 * torch.diag_embed(S)
    torch.testing.assert_close(slope, expected, rtol=0, atol=1e-5)


@GROUPS
def test_gradient_bases_are_orthonormal_and_begin_with_the_directions(group):
    G = torch.from_numpy(gradients(group, COLUMNS)[0])
    symbols, fixed, _ = florg_start(group, G)
    eye = torch.eye(group.k, dtype=torch.float64)
    for place, symbol in (("L", "U"), ("R", "V")):
        from strategies.bases.turned import Turned

        M = Turned(fixed[place], symbols[symbol]).dense()
        torch.testing.assert_close(M @ M.mT, eye.expand(len(group.layers), -1, -1), rtol=0, atol=1e-6)
        torch.testing.assert_close(M[:, :RANK].mT, symbols[symbol], rtol=0, atol=1e-6)


def test_directions_that_are_there_already_turn_nothing():
    method = FLoRG(basis="gradient")
    L = method.fixed(TALL, RANK, SEED, lambda g: torch.empty(0))["L"]
    from strategies.bases.turned import Turned

    first = L.dense()[:RANK].mT.expand(3, -1, -1)
    assert torch.equal(Turned(L, first).dense(), L.dense().expand(3, -1, -1))


LORA = [name for name, cls in METHODS.items() if cls().traits.from_gradient and not cls().plan.named(Role.ONCE)]


@pytest.mark.parametrize(
    "method", [*(METHODS[name]() for name in LORA), FFALoRA(start="gradient")], ids=lambda m: m.name
)
def test_loras_factor_begins_along_the_directions_with_rows_of_the_usual_norm(method):
    manifest = manifest_of(method)
    state, (_, layout) = initial_state(method, manifest), sketch_round(method, manifest, 4)
    rng = np.random.default_rng(2)
    sketches, dense = {}, {}
    for group in FAKE_GROUPS:
        G = rng.standard_normal((len(group.layers), group.out_features, 4)) @ rng.standard_normal(
            (4, group.in_features)
        )
        Omega, Psi = (probe.double() for probe in probe_matrices(group, layout.rank, manifest.seed))
        dense[group.name] = torch.from_numpy(G)
        sketches[group.name] = {"Y": dense[group.name] @ Omega, "X": dense[group.name].mT @ Psi}
    begun = begun_from_gradient(method, manifest, 4, state, sketches)
    assert begun.sizes == state.sizes
    for group in FAKE_GROUPS:
        A = begun[group.name]["A"].double()
        torch.testing.assert_close(A @ A.mT, torch.eye(2).double().expand(len(A), 2, 2) / 3, rtol=0, atol=1e-6)
        for layer, G in enumerate(dense[group.name].numpy()):
            V = torch.from_numpy(reference.directions(G, 2)[2].copy())
            torch.testing.assert_close(3 * A[layer].mT @ A[layer], projector(V), rtol=0, atol=1e-5)
        others = {symbol for symbol in begun[group.name] if symbol != "A"}
        assert all(torch.equal(begun[group.name][s], state[group.name][s]) for s in others)
