"""The factored aggregation error equals the one computed from dense updates."""

import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from strategies import METHODS
from strategies.methods.federa import FeDeRA
from strategies.methods.fedex_lora import FedExLoRA
from strategies.methods.fedit import FedIT
from strategies.methods.ffa_lora import FFALoRA
from strategies.methods.florg import FLoRG
from strategies.parametrisation import PARAMETRISATIONS
from strategies.plan import Role
from strategies.server.diagnostics import for_norms
from strategies.server.mean_update import MeanUpdate
from strategies.state import Group
from tests.support.diagnosis import aggregation_error
from tests.support.rounds import SCALE, frozen

GROUP = Group(6, 5, ("a", "b"))
CASES = [
    FedIT(),
    FFALoRA(),
    FeDeRA(),
    FedExLoRA(),
    FedExLoRA(residual="factored"),
    FLoRG(),
    FLoRG(basis="kaiming"),
    FLoRG(basis="signed-permutation", bases="one"),
    FLoRG(zero_start=True, initial_std=0.5),
]


def dense(method, tensors, fixed):
    tensors = {symbol: tensor.double() for symbol, tensor in tensors.items()}
    fixed = {symbol: value.to("cpu", torch.float64) for symbol, value in fixed.items()}
    return PARAMETRISATIONS[method.plan.adapter].update(tensors, fixed, SCALE)


@pytest.mark.parametrize("method", CASES, ids=str)
def test_aggregation_error_is_the_relative_distance_of_the_dense_updates(method):
    torch.manual_seed(0)
    fixed = method.fixed(GROUP, 2, 1, frozen)
    tensors = {**method.initial(GROUP, 2, 1), **method.from_weights(GROUP, 2, SCALE, frozen)}
    old, new, *trained = ({s: v + torch.randn(v.shape) for s, v in tensors.items()} for _ in range(5))
    uploads = [{symbol: tensors[symbol] for symbol in method.plan.named(Role.SHARED)} for tensors in trained]
    w = [0.5, 0.3, 0.2]
    mean = sum(w_n * dense(method, {**old, **upload}, fixed) for w_n, upload in zip(w, uploads, strict=True))
    expected = float((dense(method, new, fixed) - mean).norm() / mean.norm())
    parametrisation = PARAMETRISATIONS[method.plan.adapter]
    got = aggregation_error(parametrisation, for_norms(fixed, torch.device("cpu")), SCALE, uploads, w, old, new)
    assert got == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("group", [Group(60, 50, ("a", "b")), Group(40, 70, ("a",))], ids=lambda group: group.name)
@pytest.mark.parametrize("method", [FedIT(), FLoRG()], ids=str)
def test_few_and_many_clients_have_the_error_of_the_dense_updates(method, group):
    """By Gram matrices of the factors, and beyond as many columns as the layer has, by the dense mean."""
    rng = torch.Generator().manual_seed(0)
    fixed, tensors = method.fixed(group, 2, 1, frozen), method.initial(group, 2, 1)
    for n in (3, 40):
        old, new, *uploads = (
            {s: v + torch.randn(v.shape, generator=rng) for s, v in tensors.items()} for _ in range(n + 2)
        )
        w = [1 / n] * n
        mean = sum(w_n * dense(method, upload, fixed) for w_n, upload in zip(w, uploads, strict=True))
        expected = float((dense(method, new, fixed) - mean).norm() / mean.norm())
        kind, bases = PARAMETRISATIONS[method.plan.adapter], for_norms(fixed, torch.device("cpu"))
        assert aggregation_error(kind, bases, SCALE, uploads, w, old, new) == pytest.approx(expected, rel=1e-5)


def test_many_clients_cost_no_more_memory_than_one_layer_and_one_upload():
    method, group, n = FedIT(), Group(60, 50, ("a",)), 200
    uploads = [method.initial(group, 4, seed) for seed in range(n)]
    largest = []

    class Sizes(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            made = func(*args, **(kwargs or {}))
            largest.extend(one.numel() for one in tree_leaves(made) if isinstance(one, torch.Tensor))
            return made

    with Sizes():
        aggregation_error(PARAMETRISATIONS["lora"], {}, SCALE, uploads, [1 / n] * n, uploads[0], uploads[0])
    assert max(largest) == 60 * 50


@pytest.mark.parametrize("method", [FedIT(), FLoRG(), METHODS["fedavg"]()], ids=lambda method: method.name)
def test_uploads_are_held_only_while_they_are_smaller_than_their_mean(method):
    group = Group(60, 50, ("a", "b"))
    fixed = for_norms(method.fixed(group, 4, 1, frozen), torch.device("cpu"))
    begins = method.initial(group, 4, 1)
    mean = MeanUpdate(PARAMETRISATIONS[method.plan.adapter], fixed, SCALE, begins)
    references = []
    for n in range(60):
        upload = {symbol: tensor + n for symbol, tensor in begins.items()}
        references.append(weakref.ref(next(iter(upload.values()))))
        mean.add(upload, 1.0)
    del upload
    alive = sum(reference() is not None for reference in references)
    assert alive * sum(tensor.nbytes for tensor in begins.values()) <= 2 * 60 * 50 * 8
    assert alive == 0


@pytest.mark.parametrize("n", [3, 40], ids=["held", "added up"])
@pytest.mark.parametrize("method", [FedIT(), FLoRG()], ids=str)
def test_weights_that_were_lowered_since_count_as_lowered(method, n):
    rng = torch.Generator().manual_seed(3)
    group = Group(40, 30, ("a", "b"))
    fixed = for_norms(method.fixed(group, 2, 1, frozen), torch.device("cpu"))
    begins = method.initial(group, 2, 1)
    uploads = [{s: v + torch.randn(v.shape, generator=rng) for s, v in begins.items()} for _ in range(n)]
    raw = [1.0] * n
    raw[1] = 100.0
    lowered = [1.0] * n
    kind = PARAMETRISATIONS[method.plan.adapter]
    mean = MeanUpdate(kind, fixed, SCALE, begins, most_lowered=1)
    for upload, weight in zip(uploads, raw, strict=True):
        mean.add(upload, weight)
    expected = aggregation_error(kind, fixed, SCALE, uploads, lowered, begins, begins)
    assert mean.error_of(begins, lowered) == pytest.approx(expected, rel=1e-9)


def test_identical_clients_make_no_error():
    method = FLoRG()
    fixed = for_norms(method.fixed(GROUP, 2, 1, lambda group: torch.zeros(0)), torch.device("cpu"))
    upload = method.initial(GROUP, 2, 1)
    assert (
        aggregation_error(PARAMETRISATIONS["gram"], fixed, SCALE, [upload] * 3, [0.2, 0.3, 0.5], upload, upload) < 1e-6
    )


def test_no_update_at_all_has_no_error():
    method = FedIT()
    upload = method.initial(GROUP, 2, 1)
    assert aggregation_error(PARAMETRISATIONS["lora"], {}, SCALE, [upload], [1.0], upload, upload) == 0.0
