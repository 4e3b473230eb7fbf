"""Facts about the streaming combination: groups, the head, dtypes, and what is kept."""

import pytest
import torch

from strategies import METHODS
from strategies.methods.florg import FLoRG
from strategies.server.combination import Combination, aggregate
from strategies.server.mean_update import MeanUpdate
from strategies.state import HEAD, State
from tests.support.rounds import TALL, WIDE, shared, start, trained

METHOD_CASES = pytest.mark.parametrize("method", [cls() for cls in METHODS.values()], ids=METHODS.keys())
WEIGHTS = [3.0, 10.0, 1.0, 6.0]


def two_groups(method):
    """(state, uploads) over two shape groups and a head."""
    states = State({group.name: start(method, group) for group in (TALL, WIDE)})
    uploads = [
        State(dict(zip((TALL.name, WIDE.name), parts, strict=True)))
        for parts in zip(*(trained(method, start(method, group)) for group in (TALL, WIDE)), strict=True)
    ]
    heads = [State({HEAD: {"values": torch.arange(3.0) * (n + 1)}}) for n in range(len(uploads))]
    start_head = State({HEAD: {"values": torch.zeros(3)}})
    return states.join(start_head), [upload.join(head) for upload, head in zip(uploads, heads, strict=True)]


def combined(method, state, uploads, **options):
    combination = Combination(method, 1, state, "cpu", **options)
    for upload, weight in zip(uploads, WEIGHTS, strict=True):
        combination.add(upload, weight)
    return combination


@METHOD_CASES
def test_every_group_is_combined_by_itself(method):
    state, uploads = two_groups(method)
    new = combined(method, state, uploads).finish()
    assert new.keys() == state.keys()
    for name in new.keys() - {HEAD}:
        alone = aggregate(method, 1, state[name], [upload[name] for upload in uploads], WEIGHTS)
        assert all(torch.equal(new[name][symbol], alone[symbol]) for symbol in alone)


@pytest.mark.parametrize("method", [FLoRG(), FLoRG(solver="truncate")], ids=lambda method: method.solver)
def test_the_head_is_the_weighted_mean_for_every_kind_of_rule(method):
    state, uploads = two_groups(method)
    head = combined(method, state, uploads).finish()[HEAD]["values"]
    assert head.dtype == torch.float32
    torch.testing.assert_close(head, torch.arange(3.0) * (3 + 20 + 3 + 24) / 20)


@METHOD_CASES
def test_the_state_keeps_its_dtype_whatever_the_uploads_have(method):
    state = start(method, TALL)
    uploads = trained(method, state)
    single = {symbol: tensor.float() for symbol, tensor in state.items()}
    mixed = [{symbol: tensor.bfloat16() for symbol, tensor in upload.items()} for upload in uploads]
    for given, dtype in ((single, torch.float32), (state, torch.float64)):
        assert all(tensor.dtype == dtype for tensor in aggregate(method, 1, given, mixed, WEIGHTS).values())


class Seen(MeanUpdate):
    """Notes what it is given."""

    def __init__(self):
        self.seen = []

    def add(self, upload, weight):
        self.seen.append((upload["A"], weight))


def test_what_is_asked_for_a_mean_of_the_updates_sees_every_upload_and_its_weight():
    state, uploads = two_groups(FLoRG())
    for method in (FLoRG(), FLoRG(solver="truncate")):
        means = {TALL.name: Seen(), WIDE.name: Seen()}
        combined(method, state, uploads, means=means)
        for name, mean in means.items():
            assert [weight for _, weight in mean.seen] == WEIGHTS
            for (A, _), given in zip(mean.seen, uploads, strict=True):
                assert torch.equal(A, given[name]["A"])


def test_a_wrong_group_a_wrong_shape_and_no_weight_are_refused():
    method = FLoRG()
    state = State({TALL.name: start(method, TALL)})
    upload = shared(method, state[TALL.name])
    combination = Combination(method, 1, state, "cpu")
    with pytest.raises(AssertionError, match="groups"):
        combination.add(State({WIDE.name: upload}), 1.0)
    with pytest.raises(AssertionError, match=r"6x5/A is \(1, 2, 5\), expected \(3, 2, 5\)"):
        combination.add(State({TALL.name: {"A": upload["A"][:1]}}), 1.0)
    with pytest.raises(AssertionError, match="sum to 0"):
        Combination(method, 1, state, "cpu").finish()
