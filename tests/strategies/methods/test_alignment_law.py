"""When Procrustes alignment can change FLoRG's model: with real client training, by optimizer and by its state.

The gradient is equivariant: at O A it is O times that at A, since dW = s L A^T A R is the same. Training without
per-element arithmetic from O A is therefore O times the training from A, and `truncate` with and without alignment,
which differ in O alone, make the same model; not so where something survives the round in the old coordinates.
"""

from contextlib import nullcontext

import pytest
import torch
from flwr.app import RecordDict
from torch import Tensor

from clients.memory import ClientStore
from clients.optimizer_state import kept_optimizer_state, state_shapes
from clients.optimizers import optimizer_for
from clients.train_settings import TrainOptions
from clients.trainer import local_train
from strategies.methods.florg import FLoRG
from strategies.plan import Role
from strategies.server.combination import Combination
from strategies.state import HEAD, State
from tests.support.moments import at
from tests.support.tiny_models import loss_fn, pad, tiny_adapted, tiny_features, tiny_model

CLIENTS, ROUNDS = 3, 4
SGD = TrainOptions("sgd", 1.0, 0.5, batch_size=8)
MOMENTUM = TrainOptions("sgd", 0.3, 0.1, momentum=0.8, batch_size=8)
ADAMW = TrainOptions("adamw", 0.02, 0.02, batch_size=8)


def grams(state: State) -> Tensor:
    """A^T A of every layer, one long vector: dW up to the fixed L, R, which keep norms, and the scale."""
    factors = [tensors["A"].double() for name, tensors in state.items() if name != HEAD]
    return torch.cat([(A.mT @ A).flatten() for A in factors])


def trained(align: bool, how: TrainOptions, keep: bool) -> tuple[Tensor, Tensor]:
    """The model before and after some rounds of federated training."""
    method = FLoRG(solver="truncate", align=align)
    with tiny_adapted(tiny_model("bert"), method) as adapted:
        begin = state = adapted.read(Role.SHARED)
        records = [RecordDict() for _ in range(CLIENTS)]
        for t in range(1, ROUNDS + 1):
            combination = Combination(method, t, state, "cpu")
            for client, record in enumerate(records):
                adapted.fill(state)
                optimizer, named = optimizer_for(adapted, how), adapted.trained.flat
                memory = ClientStore(record, state_shapes(optimizer, named), {}, at(t))
                rows, seed = tiny_features(20 + 4 * client, client), 10 * t + client
                with kept_optimizer_state(optimizer, named, memory) if keep else nullcontext():
                    local_train(adapted, rows, how, collate=pad, loss_fn=loss_fn, seed=seed, optimizer=optimizer)
                combination.add(adapted.read(Role.SHARED), 1.0)
            state = combination.finish()
    return grams(begin), grams(state)


def difference(how: TrainOptions, keep: bool) -> float:
    """Between the models with and without alignment, as a share of what training changed."""
    (begin, aligned), (_, unaligned) = (trained(align, how, keep) for align in (True, False))
    return ((aligned - unaligned).norm() / (aligned - begin).norm()).item()


@pytest.mark.parametrize("keep", [False, True])
def test_under_plain_sgd_alignment_does_not_change_the_model(keep: bool):
    assert difference(SGD, keep) < 1e-4


def test_momentum_turns_with_the_factor_within_a_round_but_not_where_it_survives_the_round():
    assert difference(MOMENTUM, keep=False) < 1e-4
    assert difference(MOMENTUM, keep=True) > 0.05


def test_with_adamws_moments_kept_alignment_changes_the_model():
    assert difference(ADAMW, keep=True) > 0.05
