"""What the methods built on a singular value decomposition promise of their factors."""

import numpy as np
import pytest
import torch

from strategies.linalg import svd_of_product
from strategies.methods.federa import FeDeRA
from strategies.methods.federa_svd import FeDeRASVD
from strategies.methods.flexlora import FlexLoRA
from strategies.parametrisation import PARAMETRISATIONS
from strategies.server.combination import aggregate
from tests.reference import federa as reference
from tests.support.generators import gaussian
from tests.support.rounds import RANK, SCALE, SEED, TALL, WIDE, W, delta, frozen, initial, start, trained

GROUPS = pytest.mark.parametrize("group", [TALL, WIDE], ids=lambda group: group.name)
REDECOMPOSING = pytest.mark.parametrize("method", [FeDeRASVD(), FlexLoRA()], ids=lambda method: method.name)


def same(actual, expected, atol=1e-9):
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


def decomposed(method, group):
    """(state after a round, mean dW of its uploads)"""
    state = start(method, group)
    uploads = trained(method, state)
    mean = sum(w * delta(method, group, upload) for w, upload in zip(W, uploads, strict=True)) / sum(W)
    return aggregate(method, 2, state, uploads, W), mean


@REDECOMPOSING
@GROUPS
def test_the_error_is_the_tail_of_the_spectrum(method, group):
    new, mean = decomposed(method, group)
    tail = torch.linalg.svdvals(mean)[..., RANK:].norm(dim=-1)
    same((delta(method, group, new) - mean).norm(dim=(-2, -1)), tail)


@REDECOMPOSING
def test_many_uploads_and_few_give_the_same_decomposition(method):
    """n r above and below min(o, i): with and without a dense product."""
    state = start(method, TALL)
    few = trained(method, state, n=2)
    same(aggregate(method, 2, state, few, [1, 3])["A"], aggregate(method, 2, state, [*few, few[1]], [1, 1, 2])["A"])


@GROUPS
def test_federa_svd_balances_its_factors(group):
    new, _ = decomposed(FeDeRASVD(), group)
    gram = new["A"] @ new["A"].mT
    same(new["B"].mT @ new["B"], gram)
    same(gram, torch.diag_embed(gram.diagonal(dim1=-2, dim2=-1)))


@GROUPS
def test_flexlora_keeps_the_rows_of_a_orthonormal(group):
    new, _ = decomposed(FlexLoRA(), group)
    same(new["A"] @ new["A"].mT, torch.eye(RANK, dtype=torch.float64).expand(len(group.layers), RANK, RANK))


@GROUPS
def test_federa_starts_at_w0_in_its_principal_components(group):
    method = FeDeRA()
    state = {symbol: tensor.double() for symbol, tensor in initial(method, group).items()}
    assert delta(method, group, state).abs().max() < 1e-6
    for layer, W0 in enumerate(frozen(group).numpy()):
        A, B, P = reference.start(W0, RANK, SCALE)
        same(SCALE * state["B"][layer] @ state["A"][layer], torch.from_numpy(P), atol=1e-6)
        for symbol, expected in (("A", A), ("B", B)):
            np.testing.assert_allclose(abs(state[symbol][layer].numpy()), abs(expected), atol=1e-6)
    gram = state["B"].mT @ state["B"]
    same(gram, torch.diag_embed(gram.diagonal(dim1=-2, dim2=-1)), atol=1e-5)


@GROUPS
@pytest.mark.parametrize("scale", [4.0, 2.0, 8.0, 3.0, 0.5])
def test_federa_begins_at_w0_in_half_precision_too_at_every_scale(group, scale):
    """s B A and B0 A0 round alike, so that they cancel; c = sqrt(s) leaves a rounding error of the whole part."""
    method = FeDeRA()
    bases = method.fixed(group, RANK, SEED, frozen)

    def error(state):
        B_up, A_down = PARAMETRISATIONS["lora"].factors(state, bases, scale)
        return (B_up.bfloat16().double() @ A_down.bfloat16().double()).norm().item()

    root = scale**0.5
    part = (bases["B0"].double() @ bases["A0"].double()).norm().item()
    begun = method.from_weights(group, RANK, scale, frozen)
    torch.testing.assert_close(scale * begun["B"] @ begun["A"], bases["B0"] @ bases["A0"])
    assert error(begun) < 1e-5 * part
    balanced = error({"A": bases["A0"] / root, "B": bases["B0"] / root})
    assert (balanced > 1e-3 * part) == (root not in (1.0, 2.0))


def test_federa_does_not_depend_on_the_signs_of_the_decomposition(monkeypatch):
    method = FeDeRA()
    one = method.fixed(TALL, RANK, SEED, frozen)
    plain = torch.linalg.svd
    monkeypatch.setattr(torch.linalg, "svd", lambda M, **how: (lambda U, S, V: (-U, S, -V))(*plain(M, **how)))
    other = method.fixed(TALL, RANK, SEED, frozen)
    same(one["B0"] @ one["A0"], other["B0"] @ other["A0"], atol=1e-6)


@pytest.mark.parametrize("sizes", [(6, 2, 5), (5, 2, 6), (6, 5, 5), (4, 9, 7)], ids=str)
def test_the_svd_of_a_product_is_the_svd_of_the_dense_product(sizes):
    o, m, i = sizes
    rng = np.random.default_rng(0)
    B, A = gaussian(rng, 3, o, m), gaussian(rng, 3, m, i)
    B[1] = 0
    U, S, Vh = svd_of_product(B, A)
    q = min(o, m, i)
    same(U * S.unsqueeze(-2) @ Vh, B @ A)
    same(S, torch.linalg.svdvals(B @ A)[..., :q])
    same(U.mT @ U, torch.eye(q, dtype=torch.float64).expand(3, q, q))
    same(Vh @ Vh.mT, torch.eye(q, dtype=torch.float64).expand(3, q, q))
