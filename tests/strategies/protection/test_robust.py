"""Robust means against literal NumPy, laws of the robust combination, and the bound on what one client may change."""

import numpy as np
import pytest
import torch

from florg_app.engines.inline import task_identity
from strategies import METHODS
from strategies.methods.florg import FLoRG
from strategies.protection.robust import Robustness, trimmed_mean
from strategies.server import group_sums
from strategies.server.combination import Combination
from strategies.state import HEAD, State
from tests.strategies.server.test_faults import change_array
from tests.support.fakes import Run
from tests.support.rounds import TALL, start, trained

SUMS = pytest.mark.parametrize(
    "method", [cls() for cls in METHODS.values() if cls().traits.needs == "sum"], ids=lambda m: m.name
)
ROBUST = pytest.mark.parametrize("robust", [Robustness(combine="median"), Robustness(combine="trimmed-mean", trim=0.2)])


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


def draws(n, shape=(3, 4)):
    return torch.from_numpy(np.random.default_rng(n).standard_normal((n, *shape)))


@pytest.mark.parametrize("n", range(1, 8))
def test_half_trimmed_is_numpys_median(n):
    values = draws(n)
    torch.testing.assert_close(trimmed_mean(values, 0.5), torch.from_numpy(np.median(values.numpy(), axis=0)))


@pytest.mark.parametrize(
    ("n", "share", "cut"), [(5, 0.1, 1), (5, 0.2, 1), (10, 0.2, 2), (7, 0.3, 3), (4, 0.4, 1), (2, 0.4, 0)]
)
def test_a_trimmed_mean_leaves_out_as_many_values_at_each_end_as_the_share_rounded_up(n, share, cut):
    values = draws(n)
    literal = np.array([np.mean(sorted(column)[cut : n - cut]) for column in values.reshape(n, -1).numpy().T]).reshape(
        values.shape[1:]
    )
    torch.testing.assert_close(trimmed_mean(values, share), torch.from_numpy(literal))


def combined(method, uploads, robust=None, weights=None):
    state = State({TALL.name: start(method, TALL), HEAD: {"values": torch.zeros(2, dtype=torch.float64)}})
    combination = Combination(method, 2, state, "cpu", reduce=robust and robust.reduction)
    for upload, weight in zip(uploads, weights or [1.0] * len(uploads), strict=True):
        combination.add(State({TALL.name: upload, HEAD: {"values": torch.ones(2) * weight}}), weight)
    return combination.finish().flat


@SUMS
@ROBUST
def test_equal_uploads_give_what_the_mean_gives(method, robust):
    (upload,) = trained(method, start(method, TALL), n=1)
    expected = combined(method, [upload] * 5)
    for key, tensor in combined(method, [upload] * 5, robust).items():
        torch.testing.assert_close(tensor, expected[key], rtol=0, atol=1e-9)


@SUMS
@ROBUST
def test_the_order_of_the_clients_does_not_matter(method, robust):
    uploads = trained(method, start(method, TALL), n=5)
    one, other = combined(method, uploads, robust), combined(method, uploads[::-1], robust)
    for key in one:
        torch.testing.assert_close(one[key], other[key], rtol=0, atol=1e-12)


@ROBUST
@pytest.mark.parametrize("name", ["fedit", "ffa-lora", "fedavg"])
def test_one_hostile_client_of_five_moves_no_number_beyond_those_of_the_honest(name, robust):
    method = METHODS[name]()
    *honest, hostile = trained(method, start(method, TALL), n=5)
    huge = {symbol: 1e9 * tensor for symbol, tensor in hostile.items()}
    result, mean = combined(method, [*honest, huge], robust), combined(method, [*honest, huge])
    for symbol in honest[0]:
        values = torch.stack([upload[symbol] for upload in honest])
        number = result[f"{TALL.name}/{symbol}"]
        assert ((number >= values.min(0).values) & (number <= values.max(0).values)).all()
        assert mean[f"{TALL.name}/{symbol}"].abs().max() > 1e6


@ROBUST
def test_florgs_summand_is_robust_too(robust):
    method = FLoRG()
    *honest, hostile = trained(method, start(method, TALL), n=5)
    without = combined(method, honest, robust)[f"{TALL.name}/A"]
    attacked = combined(method, [*honest, {"A": 1e6 * hostile["A"]}], robust)[f"{TALL.name}/A"]
    assert (attacked - without).norm() < 2 * without.norm()
    assert combined(method, [*honest, {"A": 1e6 * hostile["A"]}])[f"{TALL.name}/A"].norm() > 1e4 * without.norm()


def test_a_client_of_weight_zero_has_no_vote():
    method = METHODS["fedit"]()
    uploads = trained(method, start(method, TALL), n=4)
    robust = Robustness(combine="median")
    with_it = combined(method, uploads, robust, [1.0, 0.0, 1.0, 1.0])
    without = combined(method, [uploads[0], *uploads[2:]], robust)
    assert all(torch.equal(with_it[key], without[key]) for key in with_it)


@ROBUST
@pytest.mark.parametrize("form", ["tensors", "summand"])
def test_a_federation_combines_robustly_whatever_form_the_uploads_have(robust, form):
    huge = {(1, 2): change_array("head/values", lambda a: a + 1e6)}
    run = Run(FLoRG(), num_clients=5, faults=huge, robust=robust, upload=form, weighting="uniform").go(1)
    assert run.state[HEAD]["values"].abs().max() < 10
    assert Run(FLoRG(), num_clients=5, faults=huge, upload=form).go(1).state[HEAD]["values"].abs().max() > 1e4


@SUMS
@ROBUST
def test_blocks_of_coordinates_give_the_bits_of_the_whole(method, robust, monkeypatch):
    uploads = trained(method, start(method, TALL), n=5)
    whole = combined(method, uploads, robust)
    monkeypatch.setattr(group_sums, "BLOCK_NUMBERS", 35)
    blocks = combined(method, uploads, robust)
    assert all(torch.equal(whole[key], blocks[key]) for key in whole)


def test_a_robust_round_holds_uploads_as_they_came_and_works_on_a_block_at_a_time(monkeypatch):
    """50 uploads of FedFTG's 18 MB cost what they are, and not nine times as much."""
    sizes = []

    def median(block):
        sizes.append((block.shape, block.dtype))
        return block.median(0).values

    monkeypatch.setattr(group_sums, "BLOCK_NUMBERS", 100)
    method = METHODS["fedftg"]()
    uploads = [{"D": torch.full((1, 30, 40), float(n))} for n in range(5)]
    begun = {"D": torch.zeros(1, 30, 40, dtype=torch.float64)}
    group = group_sums.RobustSum(group_sums.Summing(method, 1, begun, False, None), median)
    for upload in uploads:
        group.add(upload, 1.0)
    assert [held["D"].data_ptr() for held in group._summands] == [upload["D"].data_ptr() for upload in uploads]
    assert (group.finish([1.0] * 5)["D"] == 2).all()
    assert {shape for shape, _ in sizes} == {(5, 20)}
    assert {dtype for _, dtype in sizes} == {torch.float64}
