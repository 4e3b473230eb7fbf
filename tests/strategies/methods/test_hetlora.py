"""HetLoRA: the tail that is pulled at, the rank that comes down, the weights by norm."""

import json

import numpy as np
import pytest
import torch

from clients.penalty import penalty_of
from florg_app.checkpoints import checkpoint_file
from florg_app.engines.inline import task_identity
from strategies.exchange.screening import Upload
from strategies.exchange.traffic import Traffic
from strategies.linalg import squared_norm_of_product
from strategies.methods.fedit import FedIT
from strategies.methods.hetlora import HetLoRA, pruned_tail
from strategies.server.combination import aggregate
from strategies.server.round_policy import raw_weight
from strategies.state import HEAD, State
from tests.florg_app.test_app import history, run
from tests.reference import hetlora as reference
from tests.support.fakes import Run, assert_same_bits
from tests.support.generators import orthogonal
from tests.support.rounds import TALL, WIDE, delta, numpy_of, start, trained
from tests.support.tiny_models import RANK, tiny_adapted, tiny_model


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


def upload_of(groups, partition=0):
    return Upload(partition, 2, groups, 7, {}, Traffic())


def groups(seed):
    state = {group.name: start(HetLoRA(), group) for group in (TALL, WIDE)}
    return State({name: trained(HetLoRA(), tensors, n=1, seed=seed)[0] for name, tensors in state.items()})


def test_the_weight_is_the_norm_of_all_products_of_a_client_without_its_head():
    upload = groups(1)
    dense = sum(reference.raw_weight(numpy_of(tensors)) ** 2 for tensors in upload.values()) ** 0.5
    with_head = upload.join(State({HEAD: {"values": torch.ones(9)}}))
    assert raw_weight("norm", HetLoRA().plan, upload_of(with_head)) == pytest.approx(dense, rel=1e-12)
    for tensors in upload.values():
        norms = (tensors["B"] @ tensors["A"]).square().sum().item()
        assert squared_norm_of_product(tensors["B"], tensors["A"]) == pytest.approx(norms)


def test_the_tail_is_the_literal_one():
    upload = groups(2)
    expected = sum(reference.tail(numpy_of(tensors), 1) for tensors in upload.values())
    head = State({HEAD: {"bias": torch.ones(9)}})
    assert pruned_tail(upload.join(head), 1).item() == pytest.approx(expected, rel=1e-12)
    assert pruned_tail(upload, 2).item() == 0


def test_equal_ranks_and_norms_make_it_fedit_with_uniform_weights():
    state, rng = start(FedIT(), TALL), np.random.default_rng(0)
    (first,) = trained(FedIT(), state, n=1)
    uploads = [{**first, "B": orthogonal(rng, TALL.out_features) @ first["B"]} for _ in range(3)]
    w = [raw_weight("norm", HetLoRA().plan, upload_of(State({"6x5": upload}))) for upload in uploads]
    np.testing.assert_allclose(w, w[0])
    torch.testing.assert_close(
        delta(HetLoRA(), TALL, aggregate(HetLoRA(), 1, state, uploads, w)),
        delta(FedIT(), TALL, aggregate(FedIT(), 1, state, uploads, [1.0] * 3)),
    )


def test_the_penalty_pulls_at_the_tail_alone():
    adapted = tiny_adapted(tiny_model("bert"), HetLoRA())
    penalty = penalty_of(HetLoRA(regularization=0.25), adapted, RANK)
    assert penalty().item() == pytest.approx(0.25 * pruned_tail(adapted.trained, RANK - 1).item())
    penalty().backward()
    for name, tensors in adapted.trained.items():
        if name != HEAD:
            assert tensors["A"].grad[:, : RANK - 1].count_nonzero() == 0
            assert tensors["A"].grad[:, RANK - 1].count_nonzero() == tensors["A"][:, RANK - 1].numel()
            assert tensors["B"].grad[..., : RANK - 1].count_nonzero() == 0


def test_the_penalty_of_a_start_at_zero_has_a_gradient_of_zero():
    A, B = torch.ones(1, 2, 5, requires_grad=True), torch.zeros(1, 6, 2, requires_grad=True)
    HetLoRA().penalty(2, State(), State({"6x5": {"A": A, "B": B}})).backward()
    assert A.grad.count_nonzero() == B.grad.count_nonzero() == 0


def test_there_is_no_penalty_where_nothing_can_be_pruned():
    upload = groups(1)
    assert HetLoRA().penalty(1, upload, upload) is None
    assert HetLoRA(min_rank=2).penalty(2, upload, upload) is None
    assert HetLoRA(regularization=0.0).penalty(2, upload, upload) is None


@pytest.mark.parametrize(
    ("settings", "rank", "shrunk", "expected"),
    [
        ({}, 2, 0.9, 1),
        ({}, 2, 1.0, 2),
        ({}, 2, 1.1, 2),
        ({"gamma": 0.4}, 2, 0.9, 1),
        ({"min_rank": 2}, 2, 0.9, 2),
        ({}, 1, 0.9, 1),
        ({"min_rank": 5}, 2, 0.9, 2),
    ],
)
def test_a_client_prunes_itself_where_the_tail_became_smaller(settings, rank, shrunk, expected):
    received = groups(1)
    now = State({name: {**tensors, "B": shrunk * tensors["B"]} for name, tensors in received.items()})
    assert HetLoRA(**settings).pruned_rank(rank, received, now) == expected


def test_ranks_never_rise_and_end_at_the_least():
    run = Run(HetLoRA(), num_clients=3).go(20)
    ranks = np.array([[record.as_dict()["clients"][p]["rank"] for p in range(3)] for record in run.records])
    assert (np.diff(ranks, axis=0) <= 0).all()
    assert ranks[0].tolist() == [2, 2, 2]
    assert ranks.min() == 1
    assert run.federation.ranks == {p: 1 for p in range(3) if ranks[-1, p] == 1}


def test_a_skipped_round_lowers_no_rank():
    state = Run(HetLoRA(), num_clients=3).go(1).state
    state = state.map(lambda tensor: 100 * tensor)
    run = Run(HetLoRA(), num_clients=3, state=state, min_uploads=4, max_skipped=99).go(12)
    assert 1 in {client["rank"] for record in run.records for client in record.as_dict()["clients"].values()}
    assert run.federation.ranks == {}


def test_a_run_that_begins_with_the_ranks_of_another_goes_on_like_it():
    whole, first = Run(HetLoRA(), num_clients=3).go(15), Run(HetLoRA(), num_clients=3).go(12)
    assert 0 < len(first.federation.ranks) < 3
    second = Run(HetLoRA(), num_clients=3, state=first.state, bookkeeping=first.federation.bookkeeping)
    second.federation.run(second.grid, range(13, 16), lambda t, state: None)
    assert_same_bits(second.state, whole.state)
    assert second.federation.ranks == whole.federation.ranks


def test_uploads_without_any_update_skip_the_round():
    def without_update(reply):
        record = reply.content.array_records["arrays"]
        for key in ("6x5/B", "4x7/B"):
            record[key] = type(record[key])(np.zeros_like(record[key].numpy()))
        return reply

    run = Run(HetLoRA(), num_clients=2, faults={(1, p): without_update for p in range(2)}).go(1)
    assert run.records[0].skipped == "every upload has weight 0: no client changed its adapters"


def test_a_real_client_comes_down_and_the_checkpoint_knows_it(tmp_path):
    settings = {"strategy.name": "hetlora", "num-server-rounds": 5, "strategy.hetlora.regularization": 5.0}
    records = history(run(tmp_path / "run", num_clients=2, **settings))
    ranks = [[client["rank"] for client in record["clients"].values()] for record in records[1:]]
    assert min(ranks[-1]) < 4
    _, metadata = checkpoint_file.load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")
    assert json.loads(metadata["bookkeeping"])["ranks"] == {
        str(p): rank for p, rank in enumerate(ranks[-1]) if rank < 4
    }
    assert records[-1]["up"]["adapter-numbers"] < records[1]["up"]["adapter-numbers"]
