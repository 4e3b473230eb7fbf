"""SLoRA: sparse values first, their best update of rank r at the switch, LoRA after it."""

import numpy as np
import pytest
import torch

from clients import trainer
from clients.train_settings import TrainOptions
from florg_app.assembly import assemble
from florg_app.checkpoints.load_run import load_run
from florg_app.config.parse import parse_settings
from florg_app.engines.inline import task_identity
from florg_app.exports.export import export_run
from strategies.exchange.traffic import predict_traffic
from strategies.methods.slora import SLoRA, drawn_places, places
from strategies.parametrisation import scattered
from strategies.plan import Role
from strategies.server.combination import aggregate
from strategies.state import HEAD, Group, State
from tests.florg_app.test_app import SMALL, history, run
from tests.reference import slora as reference
from tests.support.fakes import GROUPS, Run, assert_same_bits, known
from tests.support.rounds import RANK, SCALE, SEED, TALL, WIDE, delta, fixed, moved, numpy_of
from tests.support.tiny_models import loss_fn, pad, tiny_adapted, tiny_features, tiny_model

METHOD = SLoRA(rounds=2, density=0.4)
GROUP = pytest.mark.parametrize("group", [TALL, WIDE], ids=lambda group: group.name)


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


def begun(method, group, t, state):
    return {**state, **{s: value.double() for s, value in method.round_start(t, group, RANK, SEED).items()}}


def uploads(state, t, n=3):
    """Of clients that move only what the stage trains."""
    symbols = ("S",) if t <= METHOD.rounds else ("A", "B", "S")
    kept = {symbol: state[symbol] for symbol in ("A", "B", "S")}
    return [{**kept, **moved({s: state[s] for s in symbols}, 100 * t + client)} for client in range(n)]


def state_after(t, group):
    """(the state as round t ended, as it began, the mean S of the round)"""
    state = {symbol: tensor.double() for symbol, tensor in METHOD.initial(group, RANK, SEED).items()}
    for now in range(1, t + 1):
        before = begun(METHOD, group, now, state)
        sent = uploads(before, now)
        state = aggregate(METHOD, now, before, sent, [1.0, 2.0, 5.0])
    return state, before, sum(w * upload["S"] for w, upload in zip((1, 2, 5), sent, strict=True)) / 8


@GROUP
def test_both_stages_and_the_switch_match_the_literal_reference(group):
    state = {symbol: tensor.double() for symbol, tensor in METHOD.initial(group, RANK, SEED).items()}
    expected, w = numpy_of(state), np.array([1.0, 2.0, 5.0])
    for t in range(1, 6):
        state = begun(METHOD, group, t, state)
        expected = {**expected, "M": places(group, METHOD.density, SEED).numpy()}
        sent = uploads(state, t)
        state = aggregate(METHOD, t, state, sent, w.tolist())
        settings = {"rounds": METHOD.rounds, "density": METHOD.density}
        expected = reference.aggregate(t, expected, [numpy_of(u) for u in sent], w / w.sum(), **settings)
        update = reference.delta_weight(expected, numpy_of(fixed(METHOD, group)), SCALE)
        torch.testing.assert_close(delta(METHOD, group, state), torch.from_numpy(update), rtol=0, atol=1e-9)
        expected = {**expected, **numpy_of({s: state[s] for s in "AB"})}  # factors are unique up to signs


@GROUP
def test_in_stage_1_nothing_moves_outside_the_places(group):
    state, _, _ = state_after(1, group)
    allowed = torch.zeros(len(group.layers), group.out_features * group.in_features).bool()
    allowed.scatter_(-1, places(group, METHOD.density, SEED), True)
    update = delta(METHOD, group, state)
    assert update.flatten(-2)[~allowed].count_nonzero() == 0
    assert update.count_nonzero() == allowed.sum()
    assert state["A"].count_nonzero() == state["B"].count_nonzero() == 0


@GROUP
def test_the_switch_gives_the_best_update_of_the_rank(group):
    state, _, S = state_after(2, group)
    P = SCALE * scattered(S, places(group, METHOD.density, SEED), (group.out_features, group.in_features))
    assert state["S"].shape == (len(group.layers), 0)
    error = (delta(METHOD, group, state) - P).norm(dim=(-2, -1))
    torch.testing.assert_close(error, torch.linalg.svdvals(P)[..., RANK:].norm(dim=-1))
    eye = torch.eye(RANK, dtype=torch.float64).expand(len(group.layers), RANK, RANK)
    torch.testing.assert_close(state["A"] @ state["A"].mT, eye)


@GROUP
def test_a_switch_that_a_skipped_round_put_off_happens_in_the_next(group):
    state, _, S = state_after(1, group)
    late = begun(METHOD, group, 4, state)
    new = aggregate(METHOD, 4, late, [{s: late[s] for s in ("A", "B", "S")}], [1.0])
    on_time = aggregate(METHOD, 2, begun(METHOD, group, 2, state), [{s: late[s] for s in ("A", "B", "S")}], [1.0])
    assert_same_bits(State({"g": new}), State({"g": on_time}))
    assert new["S"].shape[-1] == 0
    torch.testing.assert_close(state["S"], S)


def test_places_are_different_ones_the_same_on_both_sides_others_for_another_seed():
    M = places(TALL, 0.4, 1)
    assert M.shape == (3, 12)
    assert all(len(set(layer)) == 12 and 0 <= min(layer) <= max(layer) < 30 for layer in M.tolist())
    drawn_places.cache_clear()
    assert torch.equal(places(TALL, 0.4, 1), M)
    assert not torch.equal(places(TALL, 0.4, 2), M)
    turned = Group(TALL.in_features, TALL.out_features, TALL.layers)
    assert not torch.equal(places(turned, 0.4, 1), M), "of as many places, in another group"
    assert not torch.equal(M[0], M[1])
    assert places(TALL, 0.001, 1).shape == (3, 1)


def test_each_stage_sends_what_it_trains_and_no_more():
    run = Run(METHOD, num_clients=2).go(4)
    sparse = sum(len(g.layers) * round(0.4 * g.out_features * g.in_features) for g in GROUPS)
    factors = sum(len(g.layers) * 2 * (g.out_features + g.in_features) for g in GROUPS)
    for direction in ("up", "down"):
        sent = [record.as_dict()[direction]["adapter-numbers"] for record in run.records]
        assert sent == [2 * sparse, 2 * sparse, 2 * factors, 2 * factors]
    errors = [max(group["aggregation-error"] for group in record.diagnostics.values()) for record in run.records]
    assert errors[0] < 1e-6 < errors[1]  # exact, but for the switch
    assert all(not record.rejected for record in run.records)


def test_a_client_trains_the_sparse_values_alone_in_stage_1_and_the_factors_in_stage_2():
    adapted = tiny_adapted(tiny_model("bert"), METHOD)
    settings = TrainOptions(batch_size=4, weight_decay=0.1)

    def moved_symbols(state):
        adapted.fill(State({**state, HEAD: adapted.read(Role.SHARED)[HEAD]}))
        trainer.local_train(adapted, tiny_features(12), settings, collate=pad, loss_fn=loss_fn, seed=1)
        after = adapted.read(Role.SHARED)
        return {s for name in state for s in "ABS" if not torch.equal(after[name][s], state[name][s])}

    first = State({group.name: METHOD.initial(group, 3, 0) for group in adapted.groups})
    assert moved_symbols(first) == {"S"}
    second = {n: {"A": torch.ones_like(z["A"]), "B": z["B"], "S": z["S"][:, :0]} for n, z in first.items()}
    assert moved_symbols(State(second)) == {"A", "B"}
    places_held = [adapter.symbols["M"] for adapter in adapted._adapters.values()]
    assert {M.dtype for M in places_held} == {torch.int64}  # float32 would not tell large places apart


def test_a_real_run_goes_through_both_stages_and_its_result_is_exported(tmp_path):
    settings = {"strategy.name": "slora", "strategy.slora.rounds": 2, "num-server-rounds": 3, "partition.alpha": 2.0}
    folder = run(tmp_path / "run", num_clients=2, **settings)
    records = history(folder)
    assert records[2]["train"]["loss"] < records[1]["train"]["loss"]
    manifest = assemble(parse_settings({**SMALL, **settings}), torch.device("cpu")).manifest
    state = load_run(folder, torch.device("cpu")).state
    numbers = predict_traffic(known(manifest.uplink, state)).adapter_numbers
    assert records[3]["up"]["adapter-numbers"] == 2 * numbers
    assert records[2]["up"]["adapter-numbers"] < records[3]["up"]["adapter-numbers"]
    export_run(folder, None, False, torch.device("cpu"), print)
    assert (folder / "adapter").is_dir()


def test_a_run_that_ended_in_stage_1_is_exported_as_a_whole_model(tmp_path):
    folder = run(tmp_path / "run", num_clients=2, **{"strategy.name": "slora", "num-server-rounds": 1})
    said = []
    export_run(folder, None, False, torch.device("cpu"), said.append)
    assert "note: The update of slora is not low-rank, so it is merged into the model." in said
    assert (folder / "merged").is_dir()
