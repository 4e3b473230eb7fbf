"""Methods that merge each round's factors into dW and begin the next round with new ones."""

import pytest
import torch

from florg_app.engines.inline import task_identity
from strategies.methods.flora import FLoRA
from strategies.methods.rac_lora import RACLoRA
from strategies.plan import UPLOADED
from strategies.server.combination import aggregate
from strategies.state import State
from tests.support.fakes import GROUPS, Run
from tests.support.rounds import RANK, SCALE, SEED, TALL, WIDE, W, delta, frozen, start, trained
from tests.support.tiny_models import RANK as MODEL_RANK
from tests.support.tiny_models import tiny_adapted

MERGING = pytest.mark.parametrize("cls", [FLoRA, RACLoRA])


@MERGING
def test_every_round_begins_with_another_a_and_without_an_update(cls):
    one, again, other = (cls().round_start(t, TALL, RANK, SEED) for t in (1, 1, 2))
    assert torch.equal(one["A"], again["A"])
    assert not torch.equal(one["A"], other["A"])
    assert one["B"].count_nonzero() == other["B"].count_nonzero() == 0


@MERGING
def test_what_a_round_adds_is_the_mean_product_times_the_scale(cls):
    method = cls()
    state = start(method, WIDE)
    uploads = [{**state, **upload} for upload in trained(method, state)]
    mean = sum(w * upload["B"] @ upload["A"] for w, upload in zip(W, uploads, strict=True)) / sum(W)
    new = aggregate(method, 2, state, trained(method, state), W)
    torch.testing.assert_close(
        delta(method, WIDE, new) - delta(method, WIDE, {**state, "B": 0 * state["B"]}), SCALE * mean
    )


@MERGING
def test_neither_factor_is_broadcast(cls):
    with task_identity():
        run = Run(cls(), num_clients=2).go(1)
    assert {key.rpartition("/")[2] for key in run.manifest.downlink} == {"W", "values"}
    assert {key.rpartition("/")[2] for key in run.manifest.uplink} == {*cls().plan.named(*UPLOADED), "values"}


@pytest.mark.parametrize(("cls", "per_round"), [(FLoRA, 3 * RANK), (RACLoRA, RANK)])
def test_the_merged_part_in_factors_grows_up_to_the_shorter_side(cls, per_round):
    with task_identity():
        run = Run(cls(base="factored"), num_clients=3).go(4)
    for t, record in enumerate(run.records):
        widths = {group.name: min(t * per_round, group.k) for group in GROUPS}
        numbers = sum(len(g.layers) * widths[g.name] * (g.out_features + g.in_features) for g in GROUPS)
        assert record.as_dict()["down"]["adapter-numbers"] == 3 * numbers


def test_the_best_step_of_b_is_the_gradient_projected_on_the_rows_of_a():
    """B = -g G A^T (A A^T)^-1 makes B A = -g G H with H = A^T (A A^T)^-1 A, a projector of rank r."""
    A = start(RACLoRA(), TALL)["A"]
    inverse = torch.linalg.inv(A @ A.mT)
    H = A.mT @ inverse @ A
    torch.testing.assert_close(H @ H, H)
    torch.testing.assert_close(H.diagonal(dim1=-2, dim2=-1).sum(-1), torch.full((3,), float(RANK), dtype=torch.float64))
    G = frozen(TALL)
    zero = torch.zeros_like(G)
    step = {"A": A, "B": -0.1 * G @ A.mT @ inverse, "W": zero}
    torch.testing.assert_close(delta(RACLoRA(), TALL, step), -0.1 * SCALE * G @ H)


@MERGING
def test_a_model_forgets_what_an_earlier_client_trained(cls, llama):
    method = cls()
    with tiny_adapted(llama, method) as adapted:
        fresh = State({group.name: method.round_start(4, group, MODEL_RANK, 0) for group in adapted.groups})
        for parameter in adapted.adapter_parameters():
            parameter.data.fill_(7.0)
        adapted.refresh(fresh)
        for group in adapted.groups:
            adapter = adapted._adapters[group.name]
            assert all(torch.equal(adapter.symbols[s].detach(), fresh[group.name][s]) for s in ("A", "B"))
        with pytest.raises(ValueError, match=r"B .* is missing"):
            adapted.refresh(State({name: {"A": tensors["A"]} for name, tensors in fresh.items()}))
