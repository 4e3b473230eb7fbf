"""Server optimizers step towards the mean of the uploads; their moments are the server's own, and go on with a run."""

import json
from dataclasses import asdict, replace
from typing import get_args

import numpy as np
import pytest
import torch

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.config.server_optimizer import no_server_optimizer
from florg_app.engines.inline import task_identity
from strategies import METHODS
from strategies.methods.fedit import FedIT
from strategies.plan import Role
from strategies.protection.robust import Robustness
from strategies.server.server_optimizer import ServerOptimizer, ServerRule, initial_moments, plan_with_moments
from tests.reference.server_optimizers import step
from tests.support.documents import document
from tests.support.fakes import Run, assert_same_bits, initial_state, manifest_of


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


RULES = get_args(ServerRule)
PLAIN = ServerOptimizer("fedavgm", 1.0, 0.0, 0.99, 1e-3)
STEPPED = [name for name, cls in METHODS.items() if not no_server_optimizer(cls())]


def of(rule) -> ServerOptimizer:
    return ServerOptimizer(rule, 0.3, 0.8, 0.9, 0.01)


def run(method, optimizer, num_rounds=3, state=None, first=1, **policy):
    """A federation of toy clients under this optimizer."""
    manifest = manifest_of(method)
    manifest = replace(manifest, plan=plan_with_moments(manifest.plan, optimizer))
    if state is None:
        state = initial_state(method, manifest_of(method))
        state = state.join(initial_moments(manifest, state, optimizer))
    made = Run(method, num_clients=3, state=state, manifest=manifest, server_optimizer=optimizer, **policy)
    made.federation.run(made.grid, range(first, first + num_rounds), lambda t, state: None)
    return made


@pytest.mark.parametrize("rule", RULES)
def test_a_step_is_the_papers_for_several_rounds(rule):
    optimizer = of(rule)
    rng = np.random.default_rng(1)
    x, m, v = rng.normal(size=(2, 3, 5)), np.zeros((2, 3, 5)), np.full((2, 3, 5), optimizer.tau**2)
    start = {"A": torch.from_numpy(x), "A.momentum": torch.from_numpy(m)}
    if "variance" in optimizer.kept:
        start["A.variance"] = torch.from_numpy(v)
    for _ in range(4):
        mean = rng.normal(size=x.shape)
        x, m, v = step(rule, x, mean, m, v, eta=0.3, beta=0.8, beta2=0.9, tau=0.01)
        stepped, moments = optimizer.step(start, {"A": torch.from_numpy(mean)})
        assert moments.keys() == start.keys() - {"A"}
        start = {**stepped, **moments}
        np.testing.assert_allclose(stepped["A"], x, rtol=0, atol=1e-12)
        np.testing.assert_allclose(moments["A.momentum"], m, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", STEPPED)
def test_fedavgm_without_momentum_at_rate_1_is_the_plain_mean_to_the_bit(name):
    stepped = run(METHODS[name](), PLAIN).state
    plain = run(METHODS[name](), None).state
    assert_same_bits(stepped.select(plain.flat), plain)
    assert stepped.flat.keys() > plain.flat.keys()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", STEPPED)
def test_a_run_that_goes_on_from_a_state_with_its_moments_has_the_same_bits(name, rule):
    whole = run(METHODS[name](), of(rule), 4)
    half = run(METHODS[name](), of(rule), 2)
    assert_same_bits(run(METHODS[name](), of(rule), 2, half.state, first=3).state, whole.state)
    assert any(not torch.equal(tensor, half.state.flat[key]) for key, tensor in whole.state.flat.items())


def test_the_page_names_the_methods_with_server_optimizers():
    said = document("docs/methods.md").section("Server optimizers").partition("It is for")[2].partition("Others are")[0]
    titles = {"centralised": "centralised training"}
    assert {name for name in METHODS if titles.get(name, name).replace("-", "") in said.lower().replace("-", "")} == {
        *STEPPED
    }


def test_the_head_takes_steps_too():
    method = FedIT()
    plain, stepped = (run(method, optimizer, 1).state["head"] for optimizer in (None, of("fedavgm")))
    start = initial_state(method, manifest_of(method))["head"]["values"]
    torch.testing.assert_close(stepped["values"] - start, 0.3 * (plain["values"] - start))
    torch.testing.assert_close(stepped["values.momentum"], plain["values"] - start)


def test_moments_never_travel_and_are_the_servers():
    method = FedIT()
    made = run(method, of("fedadam"), 1)
    assert list(made.manifest.plan.roles.values()).count(Role.SERVER) == 4
    down = set(made.federation.arrays)
    assert down == {"6x5/A", "6x5/B", "4x7/A", "4x7/B", "head/values"}
    assert made.manifest.uplink.keys() == down
    assert made.manifest.server_only.keys() == made.manifest.held.keys() - down
    assert made.manifest.held == made.state.sizes
    assert json.loads(json.dumps(asdict(made.manifest.plan)))["beside_head"] == ["momentum", "variance"]


def test_moments_of_a_symbol_that_changed_its_size_begin_anew():
    start = {"S": torch.ones(2, 3), "S.momentum": torch.ones(2, 7)}
    stepped, moments = of("fedavgm").step(start, {"S": torch.full((2, 3), 3.0)})
    assert moments["S.momentum"].tolist() == [[2.0] * 3] * 2
    torch.testing.assert_close(stepped["S"], torch.full((2, 3), 1.6))


def test_a_robust_reduction_is_stepped_towards_as_the_mean_is():
    robust = Robustness(0.0, "median", 0.1, 0.9)
    common = {"robust": robust, "weighting": "uniform"}
    assert_same_bits(
        run(FedIT(), PLAIN, **common).state.select(run(FedIT(), None, **common).state.flat),
        run(FedIT(), None, **common).state,
    )


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"strategy.server-optimizer": "fedadam"}, ['"florg"', "Gram matrices", "another strategy.name"]),
        ({"strategy.server-optimizer": "fedavgm", "strategy.name": "flora"}, ["A and B anew each round"]),
        ({"strategy.server-optimizer": "fedavgm", "strategy.name": "local"}, ["no mean"]),
        ({"strategy.server-optimizer": "fedavgm", "strategy.name": "fedsvd"}, ["turns its factors"]),
        ({"strategy.server-momentum": 0.5}, ["strategy.server-momentum = 0.5 has no effect", '"none"']),
        (
            {"strategy.server-optimizer": "fedavgm", "strategy.server-tau": 0.1, "strategy.name": "fedit"},
            ["strategy.server-tau = 0.1 has no effect"],
        ),
        ({"strategy.server-optimizer": "adam"}, ["strategy.server-optimizer", "fedavgm | fedadam"]),
        ({"strategy.server-momentum": 1.0}, ["strategy.server-momentum = 1.0", "< 1"]),
    ],
)
def test_what_does_not_suit_is_refused_with_key_reason_and_remedy(config, words):
    with pytest.raises(ConfigError) as error:
        parse_settings(config)
    assert all(word in str(error.value) for word in words), str(error.value)
