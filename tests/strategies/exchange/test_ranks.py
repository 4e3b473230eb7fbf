"""Clients of lower rank: what travels, what is trained and what is aggregated."""

import dataclasses

import numpy as np
import pytest
import torch
from flwr.app import ConfigRecord

from clients import trainer
from clients.adapted_model import AdaptedModel
from clients.train_settings import TrainOptions
from florg_app.engines.inline import task_identity
from strategies.exchange.ranks import completed, cut, led_state, limited, padded, rank_of
from strategies.exchange.traffic import predict_traffic
from strategies.methods.fedit import FedIT
from strategies.methods.flexlora import FlexLoRA
from strategies.methods.flora import FLoRA
from strategies.parametrisation import PARAMETRISATIONS
from strategies.plan import BROADCAST, UPLOADED, Role
from strategies.server.combination import aggregate
from strategies.state import State
from tests.strategies.methods.test_method_traffic import FORMULAS
from tests.support.fakes import GROUPS, Run, assert_same_bits, expected_state, initial_state, manifest_of
from tests.support.references import reference_of
from tests.support.rounds import SCALE, TALL, WIDE, W, cases, delta, fixed, numpy_of, start, trained
from tests.support.tiny_models import RANK as MODEL_RANK
from tests.support.tiny_models import loss_fn, pad, random_state, tiny_features, tiny_groups, tiny_model

METHOD = pytest.mark.parametrize("method", [case for case in cases() if case.values[0].traits.client_ranks])
RANKS = (1, 3)
"""Of the clients in turn, where the largest is 3."""
CLIENT_RANKS = [1, 2, 2, 1]
"""Of the clients of W, in rounds of rank 2."""


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


def test_clients_have_the_given_ranks_in_turn_unless_they_came_down():
    assert [rank_of(p, (2, 4, 8), {4: 3}, 8) for p in range(6)] == [2, 4, 8, 2, 3, 8]
    assert rank_of(5, (), {}, 8) == 8


def test_cutting_takes_the_leading_rows_and_columns_and_padding_puts_zeros_back():
    manifest = manifest_of(FedIT(), rank=3)
    state = initial_state(FedIT(), manifest)
    state["6x5"]["B"] += 1
    low = cut(state, manifest.at(2).uplink)
    assert torch.equal(low["6x5"]["A"], state["6x5"]["A"][:, :2])
    assert torch.equal(low["6x5"]["B"], state["6x5"]["B"][:, :, :2])
    assert low.sizes == dict(manifest.at(2).uplink)
    back = padded(low, manifest.uplink)
    assert_same_bits(back, limited(state, manifest, 2))
    assert_same_bits(cut(back, manifest.at(2).uplink), low)
    assert back["6x5"]["A"][:, 2].count_nonzero() == back["6x5"]["B"][..., 2].count_nonzero() == 0
    assert_same_bits(padded(cut(state, manifest.uplink), manifest.uplink), state)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_training_padded_tensors_is_training_an_adapter_of_the_lower_rank(optimizer):
    settings = TrainOptions(optimizer=optimizer, batch_size=4, learning_rate=0.05, weight_decay=0.1)

    def fitted(rank, state):
        model = tiny_model("bert")
        with AdaptedModel(model, FedIT().plan, tiny_groups(model), rank, 1.5) as adapted:
            adapted.fill(padded(state, adapted.shapes))
            trainer.local_train(adapted, tiny_features(24), settings, collate=pad, loss_fn=loss_fn, seed=1)
            return adapted.read(Role.SHARED), adapted.shapes

    model = tiny_model("bert")
    with AdaptedModel(model, FedIT().plan, tiny_groups(model), 2, 1.5) as adapted:
        state = random_state(adapted, seed=1)
    low, shapes = fitted(2, state)
    high, _ = fitted(MODEL_RANK, state)
    for key, tensor in cut(high, shapes).flat.items():
        torch.testing.assert_close(tensor, low.flat[key], rtol=1e-4, atol=1e-5)
        assert (tensor - state.flat[key]).abs().max() > 1e-3
    beyond = {key: tensor.count_nonzero() for key, tensor in high.flat.items()}
    assert beyond == {key: tensor.count_nonzero() for key, tensor in low.flat.items()}


@METHOD
def test_rounds_of_mixed_ranks_are_the_rule_applied_to_padded_uploads(method):
    run = Run(method, client_ranks=(1, 2)).go(3)
    everybody = dict.fromkeys((1, 2, 3), range(4))
    assert_same_bits(run.state, expected_state(method, everybody, 3, ranks=(1, 2)))
    assert all(not record.rejected for record in run.records)


@METHOD
@pytest.mark.parametrize("group", [TALL, WIDE], ids=lambda group: group.name)
def test_mixed_ranks_match_the_literal_reference(method, group):
    reference = reference_of(method)
    layers = range(len(group.layers))
    state = start(method, group)

    def shapes(rank):
        own = PARAMETRISATIONS[method.plan.adapter].shapes(group, rank)
        return {f"g/{symbol}": (len(layers), *own[symbol]) for symbol in method.plan.named(*UPLOADED)}

    low = [
        cut(State({"g": upload}), shapes(rank))
        for upload, rank in zip(trained(method, state), CLIENT_RANKS, strict=True)
    ]
    wide = [
        completed(method, upload, led_state(method, State({"g": state}), rank, 2), shapes(2))["g"]
        for upload, rank in zip(low, CLIENT_RANKS, strict=True)
    ]
    w = np.array(W) / sum(W)
    new = aggregate(method, 2, state, wide, W)
    sent = [numpy_of(upload["g"]) for upload in low]
    expected = reference.aggregate(2, numpy_of(state), sent, w, **dataclasses.asdict(method))
    update = torch.from_numpy(reference.delta_weight(expected, numpy_of(fixed(method, group)), SCALE))
    torch.testing.assert_close(delta(method, group, new), update, rtol=0, atol=1e-9)


@METHOD
def test_a_client_sends_and_receives_as_many_numbers_as_its_rank_says(method):
    run = Run(method, num_clients=3, client_ranks=(1, 2)).go(1)
    numbers = {
        rank: sum(len(g.layers) * FORMULAS[method.name][0](rank, g.out_features, g.in_features) for g in GROUPS)
        for rank in (1, 2)
    }
    record = run.records[0].as_dict()
    assert [metrics["rank"] for metrics in record["clients"].values()] == [1, 2, 1]
    assert record["up"]["adapter-numbers"] == 2 * numbers[1] + numbers[2]
    if method.plan.named(*UPLOADED) == method.plan.named(*BROADCAST):
        once = 3 * predict_traffic(run.manifest.once).adapter_numbers
        assert record["down"]["adapter-numbers"] == 2 * numbers[1] + numbers[2] + once


def test_the_stack_of_flora_is_as_wide_as_the_ranks_of_its_clients_together():
    run = Run(FLoRA(base="factored"), num_clients=3, client_ranks=(1, 2, 1)).go(1)
    assert {tensors["V"].shape[-2] for name, tensors in run.state.items() if name != "head"} == {4}


def test_flora_is_exact_for_mixed_ranks():
    run = Run(FLoRA(), client_ranks=(2, 1)).go(2)
    errors = [numbers["aggregation-error"] for record in run.records for numbers in record.diagnostics.values()]
    assert max(errors) < 1e-6


def test_flexlora_gives_every_client_the_best_update_of_its_rank():
    method = FlexLoRA()
    state = start(method, WIDE)
    new = aggregate(method, 2, state, trained(method, state), W)
    D = new["B"] @ new["A"]
    for rank in (1, 2):
        low = new["B"][..., :rank] @ new["A"][:, :rank]
        tail = torch.linalg.svdvals(D)[..., rank:].norm(dim=-1)
        torch.testing.assert_close((D - low).norm(dim=(-2, -1)), tail)


def test_one_broadcast_is_packed_for_each_rank():
    run = Run(FlexLoRA(), num_clients=6, client_ranks=(1, 2, 2))
    messages = list(run.federation.configure_train(1, run.federation.arrays, ConfigRecord(), run.grid))
    assert len({id(message.content) for message in messages}) == 2
    assert [message.content.config_records["config"]["rank"] for message in messages] == [1, 2, 2, 1, 2, 2]


def claims(rank):
    def fault(reply):
        reply.content.metric_records["metrics"]["rank"] = rank
        return reply

    return fault


@pytest.mark.parametrize(
    ("rank", "reason"),
    [
        (2, "rank = 2, expected a whole number up to 1"),
        (0, "rank = 0, expected"),
        (1.0, "rank = 1.0, expected"),
    ],
)
def test_a_reply_of_another_rank_is_rejected(rank, reason):
    run = Run(FlexLoRA(), client_ranks=(1, 2), faults={(1, 2): claims(rank)}).go(1)
    (rejected,) = run.records[0].rejected
    assert rejected.partition == 2
    assert reason in rejected.reason


def test_a_reply_whose_tensors_are_not_of_the_rank_it_states_is_rejected():
    run = Run(FlexLoRA(), client_ranks=(2, 2), faults={(1, 2): claims(1)}).go(1)
    (rejected,) = run.records[0].rejected
    assert "expected (3, 1, 5)" in rejected.reason
    assert run.federation.ranks == {}
