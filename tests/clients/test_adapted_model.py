"""The life of an adapted model: fixed, filled, read, merged, removed."""

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from clients.adapted_model import AdaptedModel
from clients.adapters import AdaptedLinear
from strategies.bases.basis import Fixed
from strategies.methods.florg import FLoRG
from strategies.plan import Plan, Role
from strategies.state import State
from tests.clients.test_linear import Quantised
from tests.support.tiny_models import (
    METHODS,
    RANK,
    SCALE,
    logits_fn,
    loss_fn,
    pad,
    random_state,
    tiny_adapted,
    tiny_config,
    tiny_features,
    tiny_groups,
)

METHOD_NAMES = pytest.mark.parametrize("name", METHODS)


def assert_equal(state: State, other: State):
    left, right = state.flat, other.flat
    assert left.keys() == right.keys()
    assert all(torch.equal(left[key], right[key]) for key in left)


def bits(model: PreTrainedModel) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@METHOD_NAMES
def test_what_is_filled_is_read(model: PreTrainedModel, name: str):
    with tiny_adapted(model, METHODS[name]) as adapted:
        state = random_state(adapted, seed=5)
        adapted.fill(state)
        assert_equal(adapted.read(Role.SHARED, Role.PUSHED, Role.ONCE), state)
        assert {tensor.dtype for tensor in state.flat.values()} == {torch.float32}


def test_reading_gives_clones(llama: PreTrainedModel):
    with tiny_adapted(llama, FLoRG()) as adapted:
        before, expected = adapted.read(Role.SHARED), adapted.read(Role.SHARED)
        adapted.fill(random_state(adapted, seed=6))
        assert_equal(before, expected)


def test_a_filled_state_is_copied(llama: PreTrainedModel):
    with tiny_adapted(llama, FLoRG()) as adapted:
        state = random_state(adapted, seed=5)
        adapted.fill(state)
        expected = adapted.read(Role.SHARED)
        for tensor in state.flat.values():
            tensor.zero_()
        assert_equal(adapted.read(Role.SHARED), expected)


def test_the_head_travels_as_one_vector_in_model_order(llama: PreTrainedModel):
    with tiny_adapted(llama, FLoRG()) as adapted:
        values = torch.arange(3.0 * 32)
        adapted.fill(random_state(adapted, seed=5).join(State({"head": {"values": values}})))
        assert torch.equal(llama.get_parameter("score.weight"), values.view(3, 32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda flat: flat.pop("48x32/A"), r"48x32/A \(2, 3, 32\) is missing"),
        (lambda flat: flat.pop("head/values"), r"head/values \(96,\) is missing"),
        (lambda flat: flat.update({"48x32/C": torch.zeros(2)}), r"48x32/C \(2,\) is unknown"),
        (lambda flat: flat.update({"9x9/A": torch.zeros(1)}), r"9x9/A \(1,\) is unknown"),
        (
            lambda flat: flat.update({"48x32/A": torch.zeros(1, 3, 32)}),
            r"48x32/A is \(1, 3, 32\), expected \(2, 3, 32\)",
        ),
    ],
    ids=["missing", "no head", "unknown symbol", "unknown group", "a shape that would broadcast"],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(llama: PreTrainedModel, change, message: str):
    with tiny_adapted(llama, FLoRG()) as adapted:
        before, flat = adapted.read(Role.SHARED), random_state(adapted, seed=5).flat
        change(flat)
        with pytest.raises(ValueError, match=message):
            adapted.fill(State.from_flat(flat))
        assert_equal(adapted.read(Role.SHARED), before)


def test_fixed_symbols_are_set_by_fix_and_not_trained(llama: PreTrainedModel):
    """FFA-LoRA: A is rebuilt from the seed, B alone is trained and travels."""
    plan = Plan(adapter="lora", roles={"A": Role.FIXED, "B": Role.SHARED}, head=Role.FIXED)
    with AdaptedModel(llama, plan, tiny_groups(llama), RANK, SCALE) as adapted:
        fixed: dict[str, Fixed] = {g.name: {"A": torch.randn(2, RANK, g.in_features)} for g in adapted.groups}
        adapted.fix(fixed)
        assert set(adapted.shapes) == {"48x32/B", "24x32/B"}
        adapted.fill(random_state(adapted, seed=5))
        assert adapted.num_trainable == 2 * RANK * (48 + 24)
        for group in adapted.groups:
            assert adapted.read(Role.FIXED)[group.name]["A"].equal(fixed[group.name]["A"])
        fixed["48x32"]["A"] = torch.randn(1, RANK, 32)
        with pytest.raises(ValueError, match="48x32/A is"):
            adapted.fix(fixed)


def test_a_local_head_stays_off_the_shared_state(llama: PreTrainedModel):
    plan = Plan(adapter="lora", roles={"A": Role.SHARED, "B": Role.LOCAL}, head=Role.LOCAL)
    with AdaptedModel(llama, plan, tiny_groups(llama), RANK, SCALE) as adapted:
        assert set(adapted.read(Role.SHARED).flat) == {"48x32/A", "24x32/A"}
        assert set(adapted.read(Role.LOCAL).flat) == {"48x32/B", "24x32/B", "head/values"}
        assert adapted.num_trainable == 2 * RANK * (48 + 24 + 2 * 32) + 3 * 32


def test_only_adapters_and_head_get_gradients(model: PreTrainedModel):
    with tiny_adapted(model, FLoRG()) as adapted:
        loss_fn(model, pad(tiny_features(4))).backward()
        with_gradient = [name for name, parameter in model.named_parameters() if parameter.grad is not None]
        assert with_gradient == list(adapted._head)
        assert all(parameter.grad is not None for parameter in adapted.adapter_parameters())


@METHOD_NAMES
def test_removing_restores_modules_bits_flags_and_outputs(model: PreTrainedModel, name: str):
    batch = pad(tiny_features(4))
    modules, before, logits = dict(model.named_modules()), bits(model), logits_fn(model, batch)
    with tiny_adapted(model, METHODS[name]) as adapted:
        optimizer = torch.optim.SGD(adapted.adapter_parameters() + adapted.head_parameters(), lr=0.5)
        loss_fn(model, batch).backward()
        optimizer.step()
        assert not torch.equal(logits_fn(model, batch), logits)
    assert dict(model.named_modules()) == modules
    assert not model._forward_pre_hooks
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert torch.equal(logits_fn(model, batch), logits)


@METHOD_NAMES
def test_the_merged_model_is_plain_and_equal_and_w0_comes_back(model: PreTrainedModel, name: str):
    batch, plain = pad(tiny_features(4)), bits(model)
    with torch.no_grad(), tiny_adapted(model, METHODS[name]) as adapted:
        expected = logits_fn(model, batch)
        with adapted.merged() as merged:
            assert not any(isinstance(module, AdaptedLinear) for module in merged.modules())
            assert merged.state_dict().keys() == plain.keys()
            torch.testing.assert_close(logits_fn(merged, batch), expected, rtol=1e-4, atol=1e-5)
        assert torch.equal(logits_fn(model, batch), expected)
    assert all(torch.equal(tensor, plain[key]) for key, tensor in model.state_dict().items())


def test_a_16_bit_w0_survives_merging_bit_for_bit(llama: PreTrainedModel):
    plain = bits(llama.bfloat16())
    with tiny_adapted(llama, FLoRG()) as adapted, adapted.merged() as merged:
        name = f"{adapted.groups[0].layers[0]}.weight"
        assert not torch.equal(merged.state_dict()[name], plain[name])
    assert all(torch.equal(tensor, plain[key]) for key, tensor in llama.state_dict().items())


def test_an_error_while_merged_still_restores_w0(llama: PreTrainedModel):
    plain = bits(llama)
    with tiny_adapted(llama, FLoRG()) as adapted:
        with pytest.raises(KeyboardInterrupt), adapted.merged():
            raise KeyboardInterrupt
        assert isinstance(llama.get_submodule(adapted.groups[0].layers[0]), AdaptedLinear)
    assert all(torch.equal(tensor, plain[key]) for key, tensor in llama.state_dict().items())


def test_a_quantised_layer_is_not_merged(llama: PreTrainedModel):
    for layer in tiny_groups(llama)[1].layers:
        old = llama.get_submodule(layer)
        llama.set_submodule(layer, Quantised(old.weight.detach(), torch.zeros(24)))
    with tiny_adapted(llama, FLoRG()) as adapted:
        with pytest.raises(ValueError, match="v_proj is quantised"), adapted.merged():
            pass
        assert loss_fn(llama, pad(tiny_features(2))).isfinite()


def test_weights_are_out_by_in_whatever_the_storage(model: PreTrainedModel):
    with tiny_adapted(model, FLoRG()) as adapted:
        for group in adapted.groups:
            W0 = adapted.weights(group)
            assert W0.shape == (len(group.layers), group.out_features, group.in_features)
            layer = model.get_submodule(group.layers[-1])
            assert isinstance(layer, AdaptedLinear)
            x = torch.randn(3, group.in_features)
            torch.testing.assert_close(layer.base(x), x @ W0[-1].T + (0 if layer.bias is None else layer.bias))


def test_a_model_is_adapted_once_at_a_time(llama: PreTrainedModel):
    with tiny_adapted(llama, FLoRG()), pytest.raises(AssertionError, match="already adapted"):
        tiny_adapted(llama, FLoRG())
    tiny_adapted(llama, FLoRG()).remove()


def test_a_language_model_has_no_head():
    model = AutoModelForCausalLM.from_config(tiny_config("llama"))
    with tiny_adapted(model, FLoRG()) as adapted:
        assert set(adapted.shapes) == {"48x32/A", "24x32/A"}
        assert "head" not in adapted.read(Role.SHARED)
        assert adapted.head_parameters() == []
