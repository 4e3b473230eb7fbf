"""With which factors a run begins, and that each group, layer, round and seed draws from a stream of its own."""

import itertools
import math

import numpy as np
import pytest
import torch

from strategies import METHODS
from strategies.methods.florg import FLoRG
from strategies.methods.rac_lora import RACLoRA
from strategies.state import Group
from tests.support.rounds import frozen

LONG, WIDE, OTHER = Group(300, 200, ("a", "b", "c")), Group(200, 300, ("a", "b", "c")), Group(200, 250, ("a",))
GROUPS = pytest.mark.parametrize("group", [LONG, WIDE], ids=lambda group: group.name)
UNIFORM = [
    name
    for name, cls in METHODS.items()
    if "A" in cls().plan.roles and name not in ("florg", "federa", "frlora", "slora")
]
"""Methods whose A is LoRA's: not a Gram factor, not a part of W0, not zero."""


def start_of(method, group, rank=8, seed=1, t=1):
    """A and B of a client as round t begins from the initial state."""
    fixed = method.fixed(group, rank, seed, frozen)
    return {**fixed, **method.initial(group, rank, seed), **method.round_start(t, group, rank, seed)}


@GROUPS
@pytest.mark.parametrize("rank", [2, 50])
@pytest.mark.parametrize("name", UNIFORM)
def test_a_lora_factor_begins_uniform_within_one_over_root_of_its_columns_whatever_its_rank(name, rank, group):
    A = start_of(METHODS[name](), group, rank)["A"].double()
    bound = 1 / math.sqrt(group.in_features)
    assert A.shape == (3, rank, group.in_features)
    assert 0.98 * bound < A.abs().max() <= bound * (1 + 1e-6)
    assert A.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert abs(A.mean().item()) < 5 * bound / math.sqrt(3 * A.numel())


@GROUPS
@pytest.mark.parametrize("name", UNIFORM)
def test_the_other_factor_begins_at_zero(name, group):
    assert not start_of(METHODS[name](), group)["B"].any()


@GROUPS
@pytest.mark.parametrize("std", [0.1, 0.3])
def test_florgs_factor_begins_normal(std, group):
    A = start_of(FLoRG(initial_std=std), group)["A"].double() / std
    assert A.shape == (3, 8, group.k)
    assert A.std().item() == pytest.approx(1, rel=0.05)
    assert abs(A.mean().item()) < 5 / math.sqrt(A.numel())
    for limit, share in ((1, 0.3173), (2, 0.0455), (3, 0.0027)):
        spread = math.sqrt(share * (1 - share) / A.numel())
        assert float((A.abs() > limit).double().mean()) == pytest.approx(share, abs=5 * spread)


@pytest.mark.parametrize("name", ["florg", *UNIFORM])
def test_groups_layers_and_seeds_have_streams_of_their_own(name):
    method = METHODS[name]()
    draws = [layer for group in (LONG, WIDE, OTHER) for layer in start_of(method, group)["A"]]
    draws += list(start_of(method, LONG, seed=2)["A"])
    for one, other in itertools.combinations(draws, 2):
        size = min(one.numel(), other.numel())  # numbers of one stream are the same in their order, whatever the shape
        both = np.corrcoef(one.flatten()[:size], other.flatten()[:size])
        assert abs(both[0, 1]) < 0.15


@pytest.mark.parametrize("name", UNIFORM)
def test_methods_of_one_seed_begin_alike(name):
    """So that what they come to is compared from the same start; those that begin anew each round draw by the round."""
    expected = start_of(METHODS["fedit"](), LONG)["A"]
    drawn_by_round = bool(METHODS[name]().round_start(1, LONG, 8, 1))
    assert torch.equal(start_of(METHODS[name](), LONG)["A"], expected) != drawn_by_round


@pytest.mark.parametrize("method", [METHODS["flora"](), RACLoRA()], ids=lambda method: method.name)
def test_what_begins_anew_each_round_is_another_draw_each_round(method):
    rounds = [start_of(method, LONG, t=t)["A"] for t in (1, 2, 3)]
    assert all(not torch.equal(one, other) for one, other in itertools.combinations(rounds, 2))
    assert torch.equal(rounds[1], start_of(method, LONG, t=2)["A"])
