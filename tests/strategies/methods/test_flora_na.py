"""FLoRA-NA's mixture lies between FedIT's means and the best update of the same rank."""

import numpy as np
import pytest
import torch

from strategies.methods.federa_svd import FeDeRASVD
from strategies.methods.fedit import FedIT
from strategies.methods.flora_na import FLoRANA
from strategies.server.combination import aggregate
from tests.support.rounds import TALL, WIDE, W, delta, start, trained


def errors(group, seed, *methods):
    """||dW_new - mean dW_n|| over all layers for each method, from the same uploads."""
    state = start(FedIT(), group)
    uploads = trained(FedIT(), state, seed=seed)
    mean = sum(w * delta(FedIT(), group, upload) for w, upload in zip(W, uploads, strict=True)) / sum(W)
    return [(delta(FedIT(), group, aggregate(m, 2, state, uploads, W)) - mean).norm().item() for m in methods]


@pytest.mark.parametrize("group", [TALL, WIDE], ids=lambda group: group.name)
@pytest.mark.parametrize("seed", range(5))
def test_the_mixture_is_nearer_than_the_means_and_no_nearer_than_the_svd(group, seed):
    fedit, one, many, svd = errors(group, seed, FedIT(), FLoRANA(steps=1), FLoRANA(), FeDeRASVD())
    assert fedit > one >= many >= svd


def test_the_mixed_factors_lie_in_the_clients_span():
    state = start(FLoRANA(), TALL)
    uploads = trained(FLoRANA(), state)
    new = aggregate(FLoRANA(), 2, state, uploads, W)
    for symbol in ("A", "B"):
        for layer in range(len(TALL.layers)):
            columns = np.stack([upload[symbol][layer].numpy().ravel() for upload in uploads], axis=1)
            target = new[symbol][layer].numpy().ravel()
            np.testing.assert_allclose(columns @ np.linalg.lstsq(columns, target)[0], target, atol=1e-9)


def test_clients_without_an_update_leave_a_as_it_was():
    state = start(FLoRANA(), TALL)
    idle = {"A": state["A"], "B": torch.zeros_like(state["B"])}
    new = aggregate(FLoRANA(), 1, state, [idle] * 3, W[:3])
    torch.testing.assert_close(new["A"], state["A"])
    assert new["B"].count_nonzero() == 0
