"""What FedEx-LoRA adds to W0, and how wide its exact factors are."""

import pytest
import torch

from florg_app.engines.inline import task_identity
from strategies.exchange.traffic import predict_traffic
from strategies.methods.fedex_lora import FedExLoRA
from strategies.server.combination import aggregate
from tests.support.fakes import GROUPS, Run
from tests.support.rounds import RANK, TALL, WIDE, W, delta, shared, start, trained

FACTORED = FedExLoRA(residual="factored")


def rounds(method, group, numbers):
    """The state after rounds of so many clients each."""
    state = start(method, group)
    for t, n in enumerate(numbers, start=1):
        state = aggregate(method, t, state, trained(method, state, n=n, seed=t), W[:n])
    return state


@pytest.mark.parametrize(
    ("group", "numbers", "width"),
    [(TALL, [1], 0), (TALL, [2], 2), (TALL, [2, 2], 4), (TALL, [2, 2, 2], 5), (WIDE, [2, 2], 4), (WIDE, [4], 4)],
    ids=str,
)
def test_factors_grow_by_n_minus_1_times_r_up_to_the_shorter_side(group, numbers, width):
    state = rounds(FACTORED, group, numbers)
    layers = len(group.layers)
    assert state["U"].shape == (layers, group.out_features, width)
    assert state["V"].shape == (layers, width, group.in_features)


def test_both_forms_of_the_residual_are_one_model():
    for group in (TALL, WIDE):
        one, other = (delta(m, group, rounds(m, group, [4, 2, 3, 4])) for m in (FedExLoRA(), FACTORED))
        # The starts differ by the random W of the dense form.
        offset = delta(FedExLoRA(), group, start(FedExLoRA(), group)) - delta(FACTORED, group, start(FACTORED, group))
        torch.testing.assert_close(one - offset, other, rtol=0, atol=1e-9)


def test_the_residual_of_a_round_has_rank_n_minus_1_times_r():
    state = start(FedExLoRA(), TALL)
    new = aggregate(FedExLoRA(), 1, state, trained(FedExLoRA(), state, n=2), W[:2])
    assert set(torch.linalg.matrix_rank(new["W"] - state["W"]).tolist()) == {RANK}


def test_means_of_other_weights_than_the_products_would_not_be_exact():
    """The residual depends on the same w for factors and products: the uniform means with weighted products are off."""
    method = FedExLoRA()
    state = start(method, TALL)
    uploads = trained(method, state)
    uniform, weighted = (aggregate(method, 1, state, uploads, w) for w in ([1.0] * 4, W))
    mixed = {**weighted, "A": uniform["A"], "B": uniform["B"]}
    assert (delta(method, TALL, mixed) - delta(method, TALL, weighted)).abs().max() > 0.1


def test_one_broadcast_holds_all_residuals_for_a_client_that_missed_them():
    for method in (FedExLoRA(), FACTORED):
        state = rounds(method, TALL, [4, 3])
        late = aggregate(method, 3, state, [shared(method, state)], [1.0])
        torch.testing.assert_close(delta(method, TALL, late), delta(method, TALL, state))


def test_factors_on_the_wire_are_counted_at_their_true_width():
    with task_identity():
        run = Run(FACTORED, num_clients=3).go(4)
    for t, record in enumerate(run.records, start=1):
        widths = {group.name: min((t - 1) * 2 * RANK, group.k) for group in GROUPS}
        numbers = sum(len(g.layers) * (RANK + widths[g.name]) * (g.out_features + g.in_features) for g in GROUPS)
        assert record.as_dict()["down"]["adapter-numbers"] == 3 * numbers
        assert record.as_dict()["up"]["wire-bytes"] == 3 * predict_traffic(run.manifest.uplink).wire_bytes
