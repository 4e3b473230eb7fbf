"""How the clients weigh in a round: as the method's paper has it, unless a setting says otherwise."""

import numpy as np
import pytest
import torch

from florg_app.engines.inline import task_identity
from strategies import METHODS
from strategies.exchange.screening import Upload
from strategies.exchange.traffic import Traffic
from strategies.manifest import state_at_start
from strategies.plan import Role
from strategies.server.round_policy import raw_weight
from strategies.state import HEAD
from tests.reference import hetlora as reference_of_norms
from tests.support.fakes import Run, asked, examples_of, manifest_of, served
from tests.support.fakes import initial_state as start_of
from tests.support.references import reference_of

EXAMPLES = {partition: examples_of(partition) for partition in range(4)}
UNIFORM = dict.fromkeys(range(4), 1.0)


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


def weights_of(method, **policy):
    """The weights of a round of clients with unequal numbers of examples."""
    return Run(method, **policy).go(1).records[0].weights


def norms_of(method):
    """||dW_n||_F of every client of round 1 without the scale, by the reference."""
    manifest = manifest_of(method)
    norms = {}
    for partition in range(4):
        _, tensors = served(method, manifest, start_of(method, manifest), 1, partition, manifest.rank)
        adapters = tensors.adapters.values()
        squares = [reference_of_norms.raw_weight({s: t.double().numpy() for s, t in a.items()}) ** 2 for a in adapters]
        norms[partition] = np.sqrt(sum(squares))
    return norms


def test_numbers_of_examples_differ_in_these_rounds():
    assert len(set(EXAMPLES.values())) == len(EXAMPLES)


@pytest.mark.parametrize("name", METHODS)
def test_a_round_uses_the_weights_of_the_methods_paper(name):
    method = METHODS[name]()
    expected = {"uniform": lambda: UNIFORM, "examples": lambda: EXAMPLES, "norm": lambda: norms_of(method)}
    known = expected[reference_of(method).WEIGHTING]()
    assert weights_of(method) == pytest.approx({partition: known[partition] for partition in asked(method)}, rel=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_a_setting_replaces_the_weights_of_the_paper(name):
    method = METHODS[name]()
    for weighting, known in (("uniform", UNIFORM), ("examples", EXAMPLES)):
        assert weights_of(method, weighting=weighting) == {p: known[p] for p in asked(method)}


def test_the_norm_of_an_upload_is_that_of_its_dense_update_over_all_groups_and_not_of_its_head():
    method = METHODS["hetlora"]()
    manifest = manifest_of(method)
    _, tensors = served(method, manifest, start_of(method, manifest), 1, 2, manifest.rank)
    dense = [(t["B"].double() @ t["A"].double()).flatten() for t in tensors.adapters.values()]
    assert len(dense) == 2
    assert HEAD in tensors
    upload = Upload(2, manifest.rank, tensors, 5, {}, Traffic())
    assert raw_weight("norm", manifest.plan, upload) == pytest.approx(torch.cat(dense).norm().item(), rel=1e-6)
    longer = tensors.map(lambda tensor: 9 * tensor).join(tensors.adapters)
    again = Upload(2, manifest.rank, longer, 50, {}, Traffic())
    assert raw_weight("norm", manifest.plan, again) == raw_weight("norm", manifest.plan, upload)


@pytest.mark.parametrize(
    "name", [n for n, cls in METHODS.items() if cls().plan.head is Role.SHARED and not cls().traits.pooled]
)
def test_the_head_is_the_mean_by_the_weights_on_record(name):
    method = METHODS[name]()
    run = Run(method).go(1)
    begins = state_at_start(method, run.manifest, start_of(method, run.manifest), 1)
    rank = method.active_rank(1, run.manifest.rank)
    heads = [served(method, run.manifest, begins, 1, n, rank)[1][HEAD]["values"].double() for n in range(4)]
    w = run.records[0].weights
    mean = sum(w[n] * head for n, head in enumerate(heads)) / sum(w.values())
    torch.testing.assert_close(run.state[HEAD]["values"].double(), mean, rtol=0, atol=1e-6)
