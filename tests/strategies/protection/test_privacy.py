"""Clipping, noise, and the account of a run: what the guarantee rests on."""

import json

import numpy as np
import pytest
import torch

from florg_app.config.protection import no_server_privacy
from florg_app.engines.inline import task_identity
from strategies import METHODS
from strategies.protection.accountant import epsilon
from strategies.protection.privacy import Privacy, PrivacyLedger, clipped, noised
from strategies.protection.robust import Robustness, change_norm
from strategies.rng import private_generator
from strategies.server.combination import Combination
from strategies.state import HEAD, State
from strategies.summand import dense_summand
from tests.florg_app.test_app import history, run, same_bits
from tests.support.fakes import GROUPS, Run, manifest_of
from tests.support.rounds import TALL, start, trained


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


def state(seed, size=1.0):
    rng = np.random.default_rng(seed)
    A, head = (size * torch.from_numpy(rng.standard_normal(shape)) for shape in ((3, 2, 5), 9))
    return State({"6x5": {"A": A}, HEAD: {"values": head}})


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors.flat.values()])


@pytest.mark.parametrize("clip", [1e-3, 0.7, 5.0])
def test_a_change_beyond_the_clip_gets_exactly_that_norm_over_all_groups_and_keeps_its_direction(clip):
    before, after = state(0), state(1)
    change = flat(clipped(after, before, clip)) - flat(before)
    assert float(change.norm()) == pytest.approx(clip, rel=1e-12)
    torch.testing.assert_close(change / clip, (flat(after) - flat(before)) / (flat(after) - flat(before)).norm())


def test_a_change_within_the_clip_stays_and_so_does_none():
    before, after = state(0), state(1)
    torch.testing.assert_close(flat(clipped(after, before, 100.0)), flat(after), rtol=0, atol=1e-15)
    assert torch.equal(flat(clipped(before, before, 1.0)), flat(before))


def test_the_noise_is_gaussian_of_the_stated_deviation_and_independent_in_every_number():
    shapes = {"a": (200, 301), "b": (60200,)}
    zeros = State({name: {"A": torch.zeros(shape, dtype=torch.float64)} for name, shape in shapes.items()})
    noise = noised(zeros, 0.3, np.random.default_rng(5))
    one, other = noise["a"]["A"].flatten().numpy(), noise["b"]["A"].numpy()
    for values in (one, other):
        assert abs(values.mean()) < 4 * 0.3 / len(values) ** 0.5
        assert values.std() == pytest.approx(0.3, rel=0.015)
        assert np.mean(np.abs(values) < 0.3) == pytest.approx(0.6827, abs=0.01)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.02


def test_a_client_adds_noise_in_units_of_the_clip_and_only_where_it_is_the_clients():
    before, after = state(0), state(1)
    privacy = Privacy(noise_multiplier=2.0, clip=0.5, delta=1e-5)
    uploads = [flat(privacy.on_client(after, before, np.random.default_rng(seed))) for seed in range(400)]
    centre = flat(clipped(after, before, 0.5))
    assert float((torch.stack(uploads) - centre).std()) == pytest.approx(1.0, rel=0.03)
    trusting = Privacy(2.0, 0.5, 1e-5, where="server")
    assert torch.equal(flat(trusting.on_client(after, before, np.random.default_rng(1))), centre)


def test_two_private_generators_draw_other_numbers():
    assert not np.array_equal(private_generator().normal(size=8), private_generator().normal(size=8))


class Silence(np.random.Generator):
    """A generator whose noise is zero, and that remembers its deviations."""

    def __init__(self):
        super().__init__(np.random.PCG64(0))
        self.deviations = []

    def normal(self, mean, deviation, shape):
        self.deviations.append(deviation)
        return np.zeros(shape)


def server(rng, clip=0.5):
    return PrivacyLedger(Privacy(3.0, clip, 1e-5, where="server"), rng=rng)


def test_the_servers_noise_is_that_of_the_mean_over_all_that_were_asked():
    rng, before, mean = Silence(), {"A": torch.ones(2, 3)}, {"A": torch.full((2, 3), 5.0)}
    release = server(rng).release(8)
    assert release is not None
    torch.testing.assert_close(release(before, mean, 6, {"A": (2, 3)})["A"], torch.full((2, 3), 1 + 4 * 6 / 8))
    assert rng.deviations == [3.0 * 0.5 / 8]


NOISED_BY_THE_SERVER = [
    cls() for cls in METHODS.values() if not no_server_privacy(cls()) and cls.name not in ("frlora", "fedsvd")
]
"""But those that make the next state of the means, instead of taking them for it."""


@pytest.mark.parametrize("method", NOISED_BY_THE_SERVER, ids=lambda method: method.name)
def test_the_servers_noise_reaches_exactly_the_numbers_that_travel_in_a_round(method):
    """In the first stage of SLoRA nobody trains or sends A and B, and they stay what they are."""
    noise, rank = PrivacyLedger(Privacy(3.0, 0.5, 1e-5, where="server")), manifest_of(method).rank
    run = Run(method, private=noise, weighting="uniform", diagnostics=False)
    before = run.state
    run.go(1)
    travelling = run.manifest.in_round(method, 1).at(method.active_rank(1, rank)).uplink
    for key, shape in travelling.items():
        if key not in before.flat:  # begun anew in each round, and not held
            continue
        now, tensor, sent = run.state.flat[key], before.flat[key], tuple(map(slice, shape))
        assert (now[sent] != tensor[sent]).all()
        assert sum((now != tensor).flatten()) == now[sent].numel()


def test_a_stage_that_trains_no_factors_ends_with_the_update_that_its_values_have():
    method = METHODS["slora"](rounds=3, density=0.4)
    run = Run(method, private=PrivacyLedger(Privacy(3.0, 0.5, 1e-5, where="server")), weighting="uniform").go(2)
    for group in GROUPS:
        tensors = run.state[group.name]
        assert tensors["A"].count_nonzero() == tensors["B"].count_nonzero() == 0
        assert tensors["S"].all()


def noisy_rounds(method, variance, told, n=400, rounds=5):
    """||A^T A|| after some rounds in which clients change nothing and add noise, relative to that before."""
    rng = np.random.default_rng(3)
    tensors = {"A": torch.from_numpy(rng.standard_normal((2, 2, 5)))}
    first = tensors["A"].square().sum()
    for t in range(1, rounds + 1):
        combination = Combination(method, t, State({"g": tensors}), "cpu", noise_variance=variance if told else 0.0)
        for _ in range(n):
            noise = torch.from_numpy(rng.normal(0, variance**0.5, tensors["A"].shape))
            combination.add(State({"g": {"A": tensors["A"] + noise}}), 1.0)
        tensors = combination.finish()["g"]
    return float(tensors["A"].square().sum() / first)


@pytest.mark.parametrize("solver", ["closed-form", "literal"])
def test_clients_noise_does_not_make_florgs_gram_matrix_grow(solver):
    """E[(A + E)^T (A + E)] = A^T A + r v I: left in, every round adds the noise's share."""
    method = METHODS["florg"](solver=solver)
    grown, kept = (noisy_rounds(method, 0.2, told) for told in (False, True))
    assert grown > 1.2
    assert kept == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("solver", ["closed-form", "literal"])
def test_what_is_taken_off_is_the_mean_of_what_noise_adds(solver):
    method, v = METHODS["florg"](solver=solver), 0.3
    rng = np.random.default_rng(4)
    A, A_n = (torch.from_numpy(rng.standard_normal((2, 3, 7))) for _ in range(2))
    exact = dense_summand(method.contribute(1, {"A": A}, {"A": A_n}))
    summed = {symbol: torch.zeros_like(tensor) for symbol, tensor in exact.items()}
    draws = 20000
    for _ in range(draws // 2):
        noise = torch.from_numpy(rng.normal(0, v**0.5, A.shape))
        for signed in (noise, -noise):  # what is linear in the noise is then zero, not small
            for symbol, tensor in dense_summand(method.contribute(1, {"A": A}, {"A": A_n + signed})).items():
                summed[symbol] += tensor / draws
    ((symbol, corrected),) = method.without_noise({"A": A}, summed, v).items()
    assert (corrected - exact[symbol]).norm() < 0.03 * (summed[symbol] - exact[symbol]).norm()


@pytest.mark.parametrize(
    ("where", "reduction", "expected"),
    [("client", None, (3.0 * 0.5) ** 2), ("server", None, 0.0), ("client", "median", 0.0)],
)
def test_noise_is_taken_off_where_clients_add_it_and_the_combination_is_a_mean(monkeypatch, where, reduction, expected):
    taken = []
    method = METHODS["florg"] if where == "client" else METHODS["fedit"]
    monkeypatch.setattr(method, "without_noise", lambda self, state, total, variance: taken.append(variance) or total)
    robust = Robustness(combine=reduction) if reduction else Robustness()
    private = PrivacyLedger(Privacy(3.0, 0.5, 1e-5, where=where))
    Run(method(), private=private, robust=robust, weighting="uniform", diagnostics=False).go(1)
    assert taken == [expected] * len(GROUPS) * (expected > 0)


@pytest.mark.parametrize("absent", [False, True])
def test_one_client_moves_the_servers_mean_by_at_most_its_share_of_the_clip(absent):
    """Neighbours differ in one client, which changed as much as it may, against none at all or no answer."""
    method, clip = METHODS["fedit"](), 0.5
    begins = State({TALL.name: start(method, TALL)})
    own = State({TALL.name: {symbol: begins[TALL.name][symbol] for symbol in ("A", "B")}})
    uploads = [clipped(State({TALL.name: u}), own, clip) for u in trained(method, begins[TALL.name], n=4)]

    def new(given):
        combination = Combination(method, 2, begins, "cpu", release=server(Silence(), clip).release(4))
        for upload in given:
            combination.add(upload, 1.0)
        return combination.finish()

    neighbour = uploads[:3] if absent else [*uploads[:3], own]
    assert change_norm(new(uploads), new(neighbour)) == pytest.approx(clip / 4)


def test_the_account_is_that_of_the_client_that_was_asked_most_often():
    rounds = PrivacyLedger(Privacy(1.5, 1.0, 1e-5))
    assert rounds.begin([0, 1])["rounds"] == 1
    assert rounds.begin([1, 2]) == {"epsilon": epsilon(1.5, 2, 1e-5), "delta": 1e-5, "rounds": 2}
    resumed = PrivacyLedger(Privacy(1.5, 1.0, 1e-5))
    resumed.resume(json.loads(json.dumps(rounds.asked)))
    assert resumed.begin([1])["rounds"] == 3


def test_a_resumed_federation_goes_on_with_the_account():
    first = Run(private=PrivacyLedger(Privacy(1.0, 1.0, 1e-5))).go(2)
    book = json.loads(json.dumps(first.federation.bookkeeping))
    again = Run(private=PrivacyLedger(Privacy(1.0, 1.0, 1e-5)), state=first.state, bookkeeping=book).go(1)
    assert again.records[0].privacy["rounds"] == 3


def test_a_skipped_round_is_counted_too_as_its_uploads_were_sent():
    def refuse(reply):
        raise RuntimeError("no")

    private = PrivacyLedger(Privacy(1.0, 1.0, 1e-5))
    faults = {(1, p): refuse for p in range(4)}
    records = Run(faults=faults, private=private).go(2).records
    assert [record.privacy["rounds"] for record in records] == [1, 2]


MODES = pytest.mark.parametrize("where", ["client", "server"])


def settings(where, **more):
    noise = {"privacy.noise-multiplier": 0.8, "privacy.clip": 0.1, "privacy.where": where}
    return {"strategy.name": "fedit", "strategy.weighting": "uniform", **noise, **more}


@MODES
def test_a_run_reports_epsilon_after_every_round_in_its_summary_and_its_checkpoint(where, tmp_path):
    from safetensors import safe_open

    records = history(run(tmp_path / "run", **settings(where)))
    assert "privacy" not in records[0]
    assert [record["privacy"]["epsilon"] for record in records[1:]] == [epsilon(0.8, t, 1e-5) for t in (1, 2)]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["privacy"] == records[-1]["privacy"]
    with safe_open(tmp_path / "run" / "checkpoint.safetensors", framework="numpy") as file:
        assert json.loads(file.metadata()["bookkeeping"])["asked"] == {"0": 2, "1": 2, "2": 2}


@MODES
def test_the_noise_does_not_follow_from_the_seed_of_the_run(where, tmp_path):
    one, again = (run(tmp_path / name, **settings(where)) for name in ("a", "b"))
    assert not same_bits(one, again)


def test_a_client_with_noise_of_its_own_tells_nothing_else_of_its_rows(tmp_path):
    record = history(run(tmp_path / "run", **settings("client")))[1]
    assert record["clients"] == {str(p): {"partition-id": p, "num-examples": 1, "rank": 4} for p in range(3)}
    trusting = history(run(tmp_path / "trusting", **settings("server")))[1]
    assert all("loss" in metrics for metrics in trusting["clients"].values())


KINDS = [("florg", "tensors"), ("florg", "summand"), ("fedsa-lora", "tensors"), ("rac-lora", "summand")]
KINDS += [("flexlora", "tensors"), ("hetlora", "tensors"), ("slora", "summand")]


@pytest.mark.parametrize(("name", "upload"), KINDS)
def test_every_kind_of_method_runs_with_noise_of_the_clients(name, upload, tmp_path):
    tiny = {"privacy.noise-multiplier": 1e-3, "privacy.clip": 1e-3, "strategy.upload": upload}
    more = {"num-server-rounds": 1, "strategy.name": name}
    records = history(run(tmp_path / "run", **settings("client", **tiny, **more)))
    assert [record["rejected"] for record in records] == [[], []]
    assert records[1]["accepted"] == [0, 1, 2]


def test_the_clipped_change_is_what_a_client_sends(tmp_path):
    """Hardly any noise: the state moves by at most the clip a round, far less than without."""
    from florg_app.checkpoints import checkpoint_file

    def moved(name, **more):
        folder = run(tmp_path / name, **{"num-server-rounds": 1, "strategy.name": "fedit", **more})
        return checkpoint_file.load_checkpoint(folder / "checkpoint.safetensors")[0].flat["head/values"]

    free, held = moved("free"), moved("held", **settings("client", **{"privacy.noise-multiplier": 1e-6}))
    still = moved("still", **settings("client", **{"privacy.noise-multiplier": 1e-6, "privacy.clip": 1e-6}))
    assert float((held - still).norm()) <= 0.1 + 1e-4
    assert float((free - still).norm()) > 0.2
