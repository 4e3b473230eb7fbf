"""The contract and the laws of every method, and its parity with the literal reference; no method is named here.

A method is tested with its defaults and with every other value of each of its choices.
"""

import dataclasses

import numpy as np
import pytest
import torch

from strategies import METHODS
from strategies.method import Method
from strategies.parametrisation import PARAMETRISATIONS
from strategies.plan import HELD, KEPT, UPLOADED, Role
from strategies.server.combination import aggregate
from strategies.state import Group, fits
from strategies.summand import dense_summand
from tests.support.generators import orthogonal
from tests.support.references import reference_of
from tests.support.rounds import (
    RANK,
    SCALE,
    SEED,
    TALL,
    WIDE,
    T,
    W,
    cases,
    delta,
    fixed,
    fresh,
    frozen,
    initial,
    local,
    numpy_of,
    shared,
    start,
    trained,
)


@pytest.fixture(params=cases())
def method(request) -> Method:
    return request.param


@pytest.fixture(params=[TALL, WIDE], ids=lambda group: group.name)
def group(request) -> Group:
    return request.param


def step(method, group, uploads=None, w=W):
    """dW after round T from `start`."""
    state = start(method, group)
    uploads = trained(method, state) if uploads is None else uploads
    return delta(method, group, aggregate(method, T, state, uploads, w))


def same(actual, expected, atol=1e-9):
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_new_state_has_the_symbols_shapes_and_dtypes_of_the_old(method, group, dtype):
    state = {symbol: tensor.to(dtype) for symbol, tensor in start(method, group).items()}
    new = aggregate(method, T, state, trained(method, state), W)
    shapes = PARAMETRISATIONS[method.plan.adapter].shapes(group, RANK)
    assert set(new) == set(method.plan.named(*HELD))
    assert all(fits(tensor.shape, (len(group.layers), *shapes[symbol])) for symbol, tensor in new.items())
    assert {tensor.dtype for tensor in new.values()} <= {dtype}
    assert all(tensor.isfinite().all() for tensor in new.values())


def test_the_initial_state_has_the_shapes_of_the_adapter_and_repeats(method, group):
    first, again = initial(method, group), initial(method, group)
    shapes = PARAMETRISATIONS[method.plan.adapter].shapes(group, RANK)
    assert set(first) == set(method.plan.named(*HELD, *KEPT))
    assert all(fits(first[symbol].shape, (len(group.layers), *shapes[symbol])) for symbol in first)
    assert all(tensor.dtype == torch.float32 for tensor in first.values())
    assert all(torch.equal(first[symbol], again[symbol]) for symbol in first)


def test_another_seed_or_another_backbone_is_another_start(method, group):
    def numbers(seed, weights):
        fixed = method.fixed(group, RANK, seed, weights)
        return numpy_of({**fixed, **initial(method, group, seed, weights), **method.round_start(1, group, RANK, seed)})

    one, other = numbers(SEED, frozen), numbers(SEED + 1, lambda group: -2 * frozen(group))
    starts_at_w0 = not any(numbers.any() for numbers in one.values())
    assert starts_at_w0 or any(not np.array_equal(one[symbol], other[symbol]) for symbol in one)


def test_aggregation_mutates_nothing_and_repeats_bit_for_bit(method, group):
    state = start(method, group)
    uploads = trained(method, state)
    before = [{symbol: tensor.clone() for symbol, tensor in tensors.items()} for tensors in (state, *uploads)]
    first, again = (aggregate(method, T, state, uploads, W) for _ in range(2))
    assert all(torch.equal(first[symbol], again[symbol]) for symbol in first)
    for tensors, copy in zip((state, *uploads), before, strict=True):
        assert all(torch.equal(tensors[symbol], copy[symbol]) for symbol in copy)


def test_the_order_of_the_clients_does_not_matter(method, group):
    uploads = trained(method, start(method, group))
    same(step(method, group, uploads[::-1], W[::-1]), step(method, group, uploads, W))


def test_only_the_ratios_of_the_weights_matter(method, group):
    same(step(method, group, w=[7 * weight for weight in W]), step(method, group))


def test_a_client_of_weight_zero_is_an_absent_client(method, group):
    uploads = trained(method, start(method, group))
    same(
        step(method, group, uploads, [3.0, 0.0, 1.0, 6.0]),
        step(method, group, uploads[:1] + uploads[2:], [3.0, 1.0, 6.0]),
    )


def test_a_client_twice_is_a_client_of_twice_the_weight(method, group):
    uploads = trained(method, start(method, group))
    same(step(method, group, [*uploads, uploads[0]], [*W, W[0]]), step(method, group, uploads, [2 * W[0], *W[1:]]))


def test_a_round_of_one_client_returns_its_update(method, group):
    (upload,) = trained(method, start(method, group), n=1)
    back, sent = step(method, group, [upload], [5.0]), delta(method, group, upload)
    assert torch.allclose(back, sent, rtol=0, atol=1e-9) or method.traits.lossy


def test_clients_that_changed_nothing_change_nothing(method, group):
    state = start(method, group)
    same(step(method, group, [shared(method, state)] * 4), delta(method, group, state))


def test_the_mean_update_is_kept_exactly_where_the_method_says_so(method, group):
    if not method.plan.has_global_model:
        pytest.skip("each client has its own dW")
    uploads = trained(method, start(method, group))
    mean = sum(weight * delta(method, group, upload) for weight, upload in zip(W, uploads, strict=True)) / sum(W)
    assert torch.allclose(step(method, group, uploads), mean, rtol=0, atol=1e-9) == method.traits.exact


TURNS = {
    "core": lambda tensors, S: tensors,
    "full": lambda tensors, S: tensors,
    "gram": lambda tensors, S: {"A": S @ tensors["A"]},
    "lora": lambda tensors, S: {"A": S @ tensors["A"], "B": tensors["B"] @ S.mT},
}
"""How an adapter's factors turn without a change of dW, by an orthogonal S (r, r)."""


def test_factors_turned_by_each_client_matter_exactly_where_the_method_says_so(method, group):
    turn = TURNS[method.plan.adapter.partition("+")[0]]
    turning = {"A", "B"} & method.plan_at(T).roles.keys()
    if turning - set(method.plan_at(T).named(*UPLOADED)) or method.plan.named(Role.FIXED):
        pytest.skip("a factor that stays does not turn")
    rng = np.random.default_rng(11)
    uploads = trained(method, start(method, group))
    turned = [turn(upload, orthogonal(rng, RANK)) for upload in uploads]
    for upload, other in zip(uploads, turned, strict=True):
        same(delta(method, group, other), delta(method, group, upload))
    unaffected = torch.allclose(step(method, group, turned), step(method, group, uploads), rtol=0, atol=1e-9)
    assert unaffected == method.traits.gauge_free


def test_a_summand_is_the_upload_exactly_where_the_method_says_so(method, group):
    if method.traits.needs == "stack":
        pytest.skip("needs all uploads side by side")
    state = start(method, group)
    (upload,) = trained(method, state, n=1)
    summand = dense_summand(method.contribute(T, state, upload))
    unchanged = summand.keys() == upload.keys() and all(torch.equal(summand[s], upload[s]) for s in upload)
    assert unchanged == method.traits.mean_of_uploads


def test_several_rounds_match_the_literal_reference(method, group):
    """Unequal weights, other clients each round; dW is compared, as factors need not be unique."""
    reference = reference_of(method)
    settings = dataclasses.asdict(method)
    state = start(method, group)
    expected = numpy_of({**local(method, group), **state})
    bases = numpy_of(fixed(method, group))
    for t, clients in enumerate(([0, 1, 2, 3], [1, 3], [2], [0, 2, 3]), start=1):
        state = {**state, **fresh(method, group, t)}
        expected = {**expected, **numpy_of(fresh(method, group, t))}
        uploads = [trained(method, state, seed=t, t=t)[client] for client in clients]
        w = np.array([W[client] for client in clients])
        state = aggregate(method, t, state, uploads, w.tolist())
        expected = reference.aggregate(t, expected, [numpy_of(u) for u in uploads], w / w.sum(), **settings)
        same(delta(method, group, state), torch.from_numpy(reference.delta_weight(expected, bases, SCALE)))


def test_roles_differ_between_rounds_exactly_where_the_method_says_so(method):
    plans = [method.plan_at(t) for t in range(1, 13)]
    assert any(plan != method.plan for plan in plans) == method.traits.roles_by_round
    for plan in plans:
        assert set(plan.named(*HELD)) == set(method.plan.named(*HELD))
        assert plan.named(*KEPT) == method.plan.named(*KEPT)


def test_diagnostics_are_finite_numbers(method, group):
    state = start(method, group)
    new = aggregate(method, T, state, trained(method, state), W)
    assert all(np.isfinite(value) for value in method.diagnose(state, new).values())


def test_every_registered_method_has_its_own_name_and_a_line_about_it():
    assert all(cls.name == name and cls.summary for name, cls in METHODS.items())


def test_a_rank_above_the_shorter_side_names_the_layers(method):
    with pytest.raises(ValueError, match=r"adapter\.rank = 6 .* 5 .*6x5"):
        method.check(TALL, 6)
