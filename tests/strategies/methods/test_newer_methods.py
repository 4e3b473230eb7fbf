"""What is true of RoLoRA, FedSVD, FedMomentum, FRLoRA, FLoRIST and HLoRA alone."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.engines.inline import task_identity
from strategies.methods.fedmomentum import FedMomentum
from strategies.methods.fedsvd import FedSVD
from strategies.methods.flexlora import FlexLoRA
from strategies.methods.flora import FLoRA
from strategies.methods.florist import FLoRIST
from strategies.methods.frlora import FRLoRA
from strategies.methods.hlora import HLoRA
from strategies.methods.rolora import RoLoRA
from strategies.protection.privacy import Privacy, PrivacyLedger
from strategies.server.combination import aggregate
from strategies.state import Group
from tests.support.fakes import Run, initial_state
from tests.support.rounds import RANK, SCALE, TALL, WIDE, W, delta, start, trained
from tests.support.tiny_models import tiny_adapted

GROUPS = pytest.mark.parametrize("group", [TALL, WIDE], ids=lambda group: group.name)
LARGE = Group(60, 50, ("a", "b"))


def same(actual, expected, atol=1e-9):
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


def stepped(method, group, n=4, w=W, t=2):
    """(state after round t, mean dW of its uploads, state before)"""
    state = start(method, group, t)
    uploads = trained(method, state, n, t=t)
    mean = sum(x * delta(method, group, {**state, **u}) for x, u in zip(w, uploads, strict=True)) / sum(w)
    return aggregate(method, t, state, uploads, w), mean, state


def test_rolora_trains_one_factor_a_round_and_leaves_the_other_to_the_bit(llama):
    with tiny_adapted(llama, RoLoRA()) as adapted:
        for t, factor in ((1, "B"), (2, "A"), (3, "B")):
            adapted.assume(RoLoRA().plan_at(t))
            assert {key.rpartition("/")[2] for key in adapted.trained.adapters.flat} == {factor}
            assert all(parameter.requires_grad for parameter in adapted.adapter_parameters())
    with task_identity():
        run = Run(RoLoRA(), num_clients=3)
        before = initial_state(RoLoRA(), run.manifest)
        for t, (changes, stays) in ((1, "BA"), (2, "AB"), (3, "BA")):
            run.federation.run(run.grid, [t], lambda t, state: None)
            for group in before.adapters:
                assert torch.equal(run.state[group][stays], before[group][stays])
                assert not torch.equal(run.state[group][changes], before[group][changes])
            before = run.state


def test_moments_of_a_client_do_not_go_with_factors_that_take_turns():
    with pytest.raises(ConfigError, match=r'"keep" is impossible with strategy\.name = "rolora"'):
        parse_settings({"strategy.name": "rolora", "train.optimizer-state": "keep"})


@GROUPS
def test_fedsvd_keeps_the_rows_of_a_orthonormal_and_the_mean(group):
    new, mean, _ = stepped(FedSVD(), group)
    same(new["A"] @ new["A"].mT, torch.eye(RANK, dtype=torch.float64).expand(len(group.layers), RANK, RANK))
    same(delta(FedSVD(), group, new), mean)
    gram = new["B"].mT @ new["B"]
    same(gram, torch.diag_embed(gram.diagonal(dim1=-2, dim2=-1)))


def test_fedsvd_decomposes_every_so_many_rounds():
    for t, stays in ((2, True), (3, False)):
        new, _, state = stepped(FedSVD(every=3), TALL, t=t)
        assert torch.equal(new["A"], state["A"]) == stays


def test_fedsvd_of_an_update_of_zero_has_orthonormal_rows_that_span_the_old_ones():
    A = start(FedSVD(), TALL)["A"]
    new = FedSVD().finish(1, {"A": A}, {"B": torch.zeros(3, 6, RANK, dtype=torch.float64)})
    assert not new["B"].any()
    same(new["A"].mT @ new["A"] @ A.mT, A.mT)


class LargestTensor(TorchDispatchMode):
    """Remembers how many numbers the largest tensor made within the block has, per layer."""

    def __init__(self, layers):
        super().__init__()
        self.layers, self.numbers = layers, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.numel() // self.layers)
        return made


@pytest.mark.parametrize("method", [FedMomentum(), FLoRIST(), HLoRA()], ids=lambda method: method.name)
def test_the_server_forms_no_matrix_of_the_weights_size_where_the_ranks_allow(method):
    state = start(method, LARGE)
    uploads = trained(method, state, n=3)
    with LargestTensor(len(LARGE.layers)) as largest:
        aggregate(method, 2, state, uploads, W[:3])
    assert 0 < largest.numbers < LARGE.out_features * LARGE.in_features / 4


@GROUPS
def test_fedmomentums_factors_are_the_best_of_their_rank_and_balanced(group):
    new, mean, state = stepped(FedMomentum(residual="dense"), group)
    factors = SCALE * new["B"] @ new["A"]
    D = mean - SCALE * state["W"]
    tail = torch.linalg.svdvals(D)[..., RANK:].norm(dim=-1)
    same((factors - D).norm(dim=(-2, -1)), tail)
    same(new["B"].mT @ new["B"], new["A"] @ new["A"].mT)


@GROUPS
@pytest.mark.parametrize("energy", [0.3, 0.8, 0.95])
def test_florist_keeps_the_least_triplets_that_have_the_energy(group, energy):
    method = FLoRIST(energy=energy, base="dense")
    new, mean, state = stepped(method, group)
    before = delta(method, group, {**state, "B": 0 * state["B"]})
    kept = torch.linalg.svdvals(delta(method, group, {**new, "A": state["A"], "B": 0 * state["B"]}) - before)
    S = torch.linalg.svdvals(mean - before)
    for of_layer, S_l in zip(kept, S, strict=True):
        p = int((of_layer > 1e-9).sum())
        share = S_l.square().cumsum(0) / S_l.square().sum()
        assert share[p - 1] >= energy - 1e-12
        assert p == 1 or share[p - 2] < energy
        same(of_layer[:p], S_l[:p])


@GROUPS
def test_florist_that_keeps_all_energy_is_flora(group):
    florist, flora = (stepped(method, group)[0] for method in (FLoRIST(energy=1.0, base="dense"), FLoRA()))
    same(florist["W"], flora["W"])


def test_florist_sends_factors_as_wide_as_the_widest_layer_needs():
    with task_identity():
        narrow, wide = (Run(FLoRIST(energy=energy), num_clients=2).go(1).state for energy in (0.05, 1.0))
    for group in narrow.adapters:
        assert narrow[group]["U"].shape[-1] == 1
        assert wide[group]["U"].shape[-1] == 4


@GROUPS
@pytest.mark.parametrize("base", ["dense", "factored"])
def test_frlora_begins_every_round_where_it_began_and_merges_the_change_of_the_means(group, base):
    method = FRLoRA(base=base)
    new, _, state = stepped(method, group)
    assert torch.equal(new["A"], state["A"])
    assert torch.equal(new["B"], state["B"])
    uploads = trained(method, state)
    A, B = (sum(w * u[s] for w, u in zip(W, uploads, strict=True)) / sum(W) for s in "AB")
    expected = delta(method, group, state) + SCALE * (B @ A - state["B"] @ state["A"])
    same(delta(method, group, new), expected)


@GROUPS
def test_hlora_is_flexlora_with_balanced_factors(group):
    new, mean, _ = stepped(HLoRA(), group)
    same(delta(HLoRA(), group, new), delta(FlexLoRA(), group, stepped(FlexLoRA(), group)[0]))
    same(new["B"].mT @ new["B"], new["A"] @ new["A"].mT)
    assert (delta(HLoRA(), group, new) - mean).norm() > 0.1


@pytest.mark.parametrize(("method", "symbol"), [(FRLoRA(), "W"), (FedSVD(), "B")], ids=["frlora", "fedsvd"])
def test_noise_of_the_server_reaches_all_that_is_made_of_the_means(method, symbol):
    noise = PrivacyLedger(Privacy(3.0, 0.5, 1e-5, where="server"))
    with task_identity():
        plain, noisy = (Run(method, private=p, weighting="uniform").go(1).state for p in (None, noise))
    for group in plain.adapters:
        assert (plain[group][symbol] != noisy[group][symbol]).all()
