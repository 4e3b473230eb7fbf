"""A client's sketch is that of its dense gradient, in every family and batch size; non-square layers among them."""

import pytest
import torch

from clients.gradient_sketch import sketch_gradient
from clients.linear import stored_weight
from strategies.methods.fedit import FedIT
from strategies.methods.florg import FLoRG
from strategies.starts.sketch import probe_matrices
from strategies.state import State
from tests.support.tiny_models import RANK, TARGETS, loss_fn, pad, tiny_adapted, tiny_features, tiny_model

COLUMNS = 5


def begun(family, method):
    adapted = tiny_adapted(tiny_model(family), method)
    groups = {g.name: method.initial(g, RANK, 0) for g in adapted.groups}
    adapted.fill(adapted.read(*method.plan.roles.values(), method.plan.head).join(State(groups)).select(adapted.shapes))
    return adapted


def sketch(adapted, features, batch_size=4):
    probes = {g.name: probe_matrices(g, COLUMNS, 1) for g in adapted.groups}
    return sketch_gradient(
        adapted, features, probes, collate=pad, loss_fn=loss_fn, batch_size=batch_size, precision="float32"
    ), probes


@pytest.mark.parametrize("family", TARGETS)
@pytest.mark.parametrize("method", [FedIT(), FLoRG()], ids=lambda method: method.name)
def test_a_sketch_is_the_dense_gradient_times_the_probes(family, method):
    adapted, features = begun(family, method), tiny_features(6)
    found, probes = sketch(adapted, features)
    for group in adapted.groups:
        weights = [stored_weight(adapted.model.get_submodule(name).base) for name in group.layers]
        stored = [adapted.model.get_submodule(name).base.weight.requires_grad_() for name in group.layers]
        G = torch.stack(
            [
                grad.T if weight.shape != grad.shape or weight.stride() != parameter.stride() else grad
                for weight, parameter, grad in zip(
                    weights, stored, torch.autograd.grad(loss_fn(adapted.model, pad(features)), stored), strict=True
                )
            ]
        )
        Omega, Psi = probes[group.name]
        torch.testing.assert_close(found[group.name]["Y"], G @ Omega, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(found[group.name]["X"], G.mT @ Psi, rtol=1e-4, atol=1e-6)
        assert found[group.name]["Y"].any()


def test_batches_of_any_size_give_the_gradient_of_the_mean_loss():
    adapted, features = begun("bert", FedIT()), tiny_features(7)
    one, other = (sketch(adapted, features, size)[0].flat for size in (7, 3))
    for key in one:
        torch.testing.assert_close(one[key], other[key], rtol=1e-4, atol=1e-7)


def test_a_sketch_leaves_no_gradient_behind_and_changes_nothing():
    adapted = begun("bert", FedIT())
    before = adapted.read(*adapted.plan.roles.values(), adapted.plan.head).flat
    sketch(adapted, tiny_features(5))
    after = adapted.read(*adapted.plan.roles.values(), adapted.plan.head).flat
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(tensor.grad is None for tensor in adapted.trained.flat.values())
    assert not any(layer._forward_hooks for layer in adapted._layers.values())
