"""Summands made by the clients: the same round as from their tensors, predicted to the byte, and nothing else sent."""

import pytest
import torch

from florg_app.engines.inline import task_identity
from strategies import METHODS
from strategies.exchange.traffic import predict_traffic
from strategies.exchange.uploads import zero_update
from strategies.manifest import state_at_start
from strategies.method import Method
from strategies.methods.florg import FLoRG
from tests.support.fakes import Run, assert_same_bits, initial_state, manifest_of


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


SUMS: list[Method] = [cls() for cls in METHODS.values() if cls().traits.needs == "sum"]
METHOD = pytest.mark.parametrize("method", [*SUMS, FLoRG(solver="literal")], ids=lambda method: method.name)


@METHOD
def test_the_state_is_that_of_uploaded_tensors_up_to_rounding(method):
    plain, contributed = Run(method).go(3).state, Run(method, upload="summand").go(3).state
    for key, tensor in plain.flat.items():
        torch.testing.assert_close(contributed.flat[key], tensor, rtol=1e-4, atol=1e-5)


@METHOD
def test_the_shapes_of_a_summand_are_known_before_it_comes_and_its_bytes_are_those_predicted(method):
    run = Run(method, upload="summand").go(1)
    assert run.records[0].rejected == []
    manifest = manifest_of(method).in_round(method, 1).at(method.active_rank(1, 2))
    state = state_at_start(method, manifest_of(method), initial_state(method, manifest_of(method)), 1)
    predicted = predict_traffic(zero_update("summand", method, 1, state, manifest).sizes)
    assert run.records[0].as_dict()["up"]["wire-bytes"] == predicted.wire_bytes * len(run.records[0].accepted)
    assert run.records[0].as_dict()["up"]["adapter-numbers"] == predicted.adapter_numbers * len(run.records[0].accepted)


def test_florg_sends_as_many_numbers_as_summands_and_literally_k_by_k():
    numbers = {
        (solver, form): Run(FLoRG(solver=solver), upload=form).go(1).records[0].as_dict()["up"]["adapter-numbers"]
        for solver, form in (("closed-form", "tensors"), ("closed-form", "summand"), ("literal", "summand"))
    }
    assert numbers["closed-form", "summand"] == numbers["closed-form", "tensors"]
    assert numbers["literal", "summand"] == 4 * (3 * 5 * 5 + 1 * 4 * 4)


def test_what_a_client_sends_is_its_summand_and_not_its_tensors():
    seen = []

    def look(reply):
        seen.append({key: array.numpy() for key, array in reply.content.array_records["arrays"].items()})
        return reply

    Run(FLoRG(), faults={(1, 0): look}, upload="summand").go(1)
    assert list(seen[0]) == ["6x5/Zt", "4x7/Zt", "head/values"]


def test_diagnostics_then_have_no_aggregation_error_but_the_methods_own_numbers():
    (with_tensors, with_summands) = (Run(upload=form).go(1).records[0].diagnostics for form in ("tensors", "summand"))
    for group, numbers in with_tensors.items():
        assert with_summands[group].keys() == numbers.keys() - {"aggregation-error"}
        assert "aggregation-error" in numbers


def test_a_tensor_where_a_summand_is_due_is_rejected():
    run = Run(FLoRG(), upload="summand")
    run.client.form = "tensors"
    with pytest.raises(Exception, match="rounds in a row were skipped"):
        run.go(3)
    assert all("missing ['4x7/Zt', '6x5/Zt']" in rejected.reason for rejected in run.records[0].rejected)


def test_summands_of_equal_rank_fold_as_the_tensors_do_whatever_the_weights():
    for weighting in ("uniform", "examples"):
        plain, contributed = (
            Run(METHODS["fedit"](), upload=f, weighting=weighting).go(2) for f in ("tensors", "summand")
        )
        assert_same_bits(plain.state, contributed.state)
