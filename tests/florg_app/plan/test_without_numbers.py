"""Tensors without numbers have the sizes of those with, take their bytes, and answer what code asks of them."""

import numpy as np
import pytest
import torch
from torch import nn

from florg_app.plan.without_numbers import LiveBytes, bytes_within, drop_numbers, without_numbers


def test_what_depends_on_numbers_is_assumed():
    with without_numbers():
        x = torch.rand(3, 5)
        assert x.sum().item() == 1.0
        assert bool((x > 0.5).all())
        assert int((x > 2).sum()) == 1
        assert (x > 0.5).nonzero().shape == (15, 2)
        assert x[:, x.sum(0) > 9].shape == (3, 5)
        assert x[x > 9].shape == (15,)
        assert x.tolist() == np.ones((3, 5)).tolist()
        assert x.numpy().shape == (3, 5)
        assert x.long().numpy().dtype == np.int64


def test_decompositions_have_the_sizes_of_real_ones():
    def all_of_them(A):
        return [*torch.linalg.svd(A, full_matrices=False), *torch.linalg.qr(A), *torch.linalg.eigh(A.mT @ A)]

    real = [tuple(tensor.shape) for tensor in all_of_them(torch.randn(2, 6, 4))]
    with without_numbers():
        assert [tuple(tensor.shape) for tensor in all_of_them(torch.empty(2, 6, 4))] == real


def test_bytes_are_those_of_tensors_with_numbers_and_end_with_them():
    def work():
        x = torch.ones(30, 7, requires_grad=True)
        y = (x @ torch.ones(7, 11)).relu()
        y.sum().backward()
        return x, y

    found = []
    for real in (True, False):
        live = LiveBytes()
        with live if real else without_numbers() as live:
            before = live.now
            with live.rise() as rise:
                kept = work()
            del kept
            found.append((rise[0], live.now - before))
    assert found[0] == found[1]
    assert found[0][0] >= 4 * (2 * 30 * 7 + 2 * 30 * 11)
    assert found[0][1] == 0


def test_views_and_shared_tensors_count_once():
    x = torch.ones(6, 5)
    assert bytes_within({"a": x, "b": [x.T, (x[1:],)]}) == 4 * 30


def test_a_model_keeps_its_sizes_and_its_ties():
    model = nn.ModuleDict({"a": nn.Linear(5, 6), "b": nn.Linear(5, 6, bias=False)})
    model["b"].weight = model["a"].weight
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    with without_numbers():
        drop_numbers(model)
        assert {name: tuple(p.shape) for name, p in model.named_parameters()} == shapes
        assert model["b"].weight is model["a"].weight
        assert model["b"](torch.empty(3, 5)).shape == (3, 6)


def test_nothing_is_assumed_outside():
    with without_numbers():
        pass
    assert torch.arange(3).tolist() == [0, 1, 2]
    with pytest.raises(RuntimeError):
        torch.ones(3, device="meta").sum().item()
