"""A state's two forms, and the laws of what is made of it."""

import pytest
import torch

from strategies.state import State


def some() -> State:
    return State({"6x5": {"B": torch.arange(2.0), "A": torch.ones(3)}, "head": {"values": torch.full((4,), 7.0)}})


def same(one: State, other: State) -> bool:
    return list(one.flat) == list(other.flat) and all(torch.equal(one.flat[key], other.flat[key]) for key in one.flat)


def test_the_flat_form_and_back_keeps_tensors_and_their_order():
    assert list(some().flat) == ["6x5/B", "6x5/A", "head/values"]
    assert same(State.from_flat(some().flat), some())


def test_a_group_may_have_a_slash_and_a_symbol_none():
    assert State.from_flat({"head/bias/step": torch.ones(1)})["head/bias"].keys() == {"step"}


def test_a_group_without_tensors_is_no_group():
    assert len(State({"6x5": {}})) == 0
    assert same(some().join(State({"4x7": {}})), some())


def test_selecting_all_keys_is_the_identity_and_an_unknown_key_an_error():
    assert same(some().select(some().flat), some())
    assert list(some().select(["head/values", "6x5/A"]).flat) == ["head/values", "6x5/A"]
    with pytest.raises(KeyError):
        some().select(["6x5/C"])


def test_the_parts_of_a_state_joined_are_the_state_and_of_two_tensors_the_later_stays():
    first, second = some().select(["6x5/B"]), some().select(["6x5/A", "head/values"])
    assert same(first.join(second), some())
    doubled = some().map(lambda tensor: 2 * tensor)
    assert same(some().join(doubled), doubled)
    assert same(some().join(State()), some())


def test_zipping_with_itself_sees_each_tensor_twice_and_shapes_go_as_well():
    assert same(some().zip(some().flat, torch.add), some().map(lambda tensor: 2 * tensor))
    cut = some().zip({"6x5/A": 1, "6x5/B": 2, "head/values": 3, "of no tensor": 0}, lambda tensor, n: tensor[:n])
    assert cut.sizes == {"6x5/B": (2,), "6x5/A": (1,), "head/values": (3,)}
    with pytest.raises(KeyError):
        some().zip({}, lambda tensor, _: tensor)


def test_a_state_is_not_changed_by_what_is_made_of_it_nor_by_what_it_was_made_of():
    parts = {"6x5": {"A": torch.ones(3)}}
    state = State(parts)
    parts["6x5"]["B"] = torch.ones(1)
    state.join(some())
    assert list(state.flat) == ["6x5/A"]
