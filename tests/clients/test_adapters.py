"""One adapted layer, and the factors that a shape group shares."""

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from clients.adapted_model import AdaptedModel
from clients.adapters import AdaptedLinear, GroupAdapter
from strategies.bases.basis import Basis
from strategies.methods.florg import FLoRG
from strategies.plan import Plan, Role
from strategies.state import Group, State
from tests.reference.florg import reflected_basis
from tests.reference.slora import dense
from tests.support.tiny_models import METHODS, RANK, SCALE, loss_fn, pad, tiny_adapted, tiny_features

METHOD_NAMES = pytest.mark.parametrize("name", METHODS)


def basis(value: Basis | Tensor) -> Tensor:
    assert isinstance(value, Basis)
    return value.dense().double()


def dense_update(adapted: AdaptedModel, name: str, group: Group, layer: int) -> Tensor:
    """dW (o, i) of one layer from the symbols alone, as the papers write it."""
    tensors = {
        symbol: value[layer] for symbol, value in adapted.read(Role.SHARED, Role.PUSHED, Role.ONCE)[group.name].items()
    }
    tensors = {symbol: value.double() for symbol, value in tensors.items()}
    if name == "full":
        return SCALE * tensors["D"]
    if name in ("lora", "lora+dense", "lora+factored"):
        P = tensors["W"] if "W" in tensors else tensors["U"] @ tensors["V"] if "U" in tensors else 0
        return SCALE * (tensors["B"] @ tensors["A"] + P)
    fixed = METHODS[name].fixed(group, RANK, 0, adapted.weights)
    if name == "core+heads":
        B, A = fixed["B"][layer].double().split(RANK, -1), fixed["A"][layer].double().split(RANK, -2)
        return sum(SCALE * B_j @ H_j @ A_j for B_j, H_j, A_j in zip(B, tensors["H"], A, strict=True))
    if name == "core":
        return SCALE * fixed["B"][layer].double() @ tensors["R"] @ fixed["A"][layer].double()
    if name == "lora+sparse":
        P = dense(tensors["S"].numpy(), fixed["M"][layer].numpy(), group.out_features, group.in_features)
        return SCALE * (tensors["B"] @ tensors["A"] + torch.from_numpy(P))
    if name == "lora-from-w0":
        U, S, Vh = torch.linalg.svd(adapted.weights(group)[layer].double(), full_matrices=False)
        principal = U[:, : len(tensors["A"])] * S[: len(tensors["A"])] @ Vh[: len(tensors["A"])]
        return SCALE * tensors["B"] @ tensors["A"] - principal
    gram = tensors["A"].T @ tensors["A"]
    if "A1" in fixed:
        A1 = METHODS[name].initial(group, len(tensors["A"]), 0)["A"][layer].double()
        gram = gram - A1.T @ A1
    L, R = basis(fixed["L"]).T, basis(fixed["R"])
    if "U" in tensors:
        L = torch.from_numpy(reflected_basis(L.numpy(), tensors["U"].numpy()))
        R = torch.from_numpy(reflected_basis(R.T.numpy(), tensors["V"].numpy())).T
    return SCALE * L @ gram @ R


@METHOD_NAMES
def test_the_output_changes_by_x_times_the_dense_update(model: PreTrainedModel, name: str):
    model.double()
    with tiny_adapted(model, METHODS[name]) as adapted:
        for group in adapted.groups:
            for index, layer_name in enumerate(group.layers):
                layer = model.get_submodule(layer_name)
                assert isinstance(layer, AdaptedLinear)
                x = torch.randn(4, 7, group.in_features, dtype=torch.float64)
                expected = x @ dense_update(adapted, name, group, index).T
                torch.testing.assert_close(layer(x) - layer.base(x), expected, rtol=1e-6, atol=1e-6)


@METHOD_NAMES
def test_gradients_agree_with_finite_differences(name: str, bert: PreTrainedModel):
    """With BERT, as Llama normalises in float32 whatever its weights."""
    batch = pad(tiny_features(4))
    with tiny_adapted(bert.double(), METHODS[name]) as adapted:
        loss_fn(bert, batch).backward()
        for parameter in adapted.adapter_parameters():
            assert parameter.grad is not None
            place, h = tuple(0 if size == 1 else size // 2 for size in parameter.shape), 1e-5
            losses = []
            for shift in (h, -2 * h):
                with torch.no_grad():
                    parameter[place] += shift
                    losses.append(loss_fn(bert, batch))
            difference = (losses[0] - losses[1]) / (2 * h)
            torch.testing.assert_close(difference, parameter.grad[place], rtol=1e-5, atol=1e-8)
            with torch.no_grad():
                parameter[place] += h


def test_the_gram_gradient_is_equation_2(model: PreTrainedModel):
    """grad A = s A (H + H^T) with H = L^T G R^T and G the gradient of the merged dense weight."""
    batch, method = pad(tiny_features(4)), FLoRG()
    with tiny_adapted(model.double(), method) as adapted:
        loss_fn(model, batch).backward()
        gradients = [parameter.grad for parameter in adapted.adapter_parameters()]
        with adapted.merged() as plain:
            layers = {name: plain.get_submodule(name) for group in adapted.groups for name in group.layers}
            weights = {name: layer.weight.requires_grad_() for name, layer in layers.items()}
            loss_fn(plain, batch).backward()
        for group, gradient in zip(adapted.groups, gradients, strict=True):
            fixed = method.fixed(group, 3, 0, adapted.weights)
            for index, name in enumerate(group.layers):
                G = weights[name].grad.T if isinstance(layers[name], Conv1D) else weights[name].grad
                H = basis(fixed["L"]) @ G @ basis(fixed["R"]).T
                A = adapted.read(Role.SHARED)[group.name]["A"][index].double()
                torch.testing.assert_close(gradient[index], SCALE * A @ (H + H.T), rtol=1e-6, atol=1e-9)


def test_at_zero_the_gram_gradient_vanishes(llama: PreTrainedModel):
    with tiny_adapted(llama, FLoRG(), std=0.0) as adapted:
        loss_fn(llama, pad(tiny_features(4))).backward()
        assert all(parameter.grad.count_nonzero() == 0 for parameter in adapted.adapter_parameters())


def test_zero_start_leaves_the_model_as_it_was(model: PreTrainedModel):
    batch, method = pad(tiny_features(4)), FLoRG(zero_start=True, initial_std=0.3)
    before = loss_fn(model, batch)
    with tiny_adapted(model, method) as adapted:
        state = adapted.read(Role.SHARED)
        head = torch.cat([parameter.flatten() for parameter in adapted._plain_head])
        initial = {group.name: method.initial(group, 3, 0) for group in adapted.groups}
        adapted.fill(state.join(State({**initial, "head": {"values": head}})))
        torch.testing.assert_close(loss_fn(model, batch), before)


def test_dropout_acts_on_the_adapters_input_and_only_in_training(llama: PreTrainedModel):
    x = torch.randn(5, 32)
    with tiny_adapted(llama, METHODS["lora"], dropout=0.5) as adapted:
        layer = llama.get_submodule(adapted.groups[0].layers[0])
        assert isinstance(layer, AdaptedLinear)
        B_up, A_down = layer.factors()
        torch.testing.assert_close(layer(x), layer.base(x) + x @ A_down.T @ B_up.T)
        layer.train()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            y = layer(x)
            torch.manual_seed(3)
            dropped = nn.functional.dropout(x, 0.5)
        torch.testing.assert_close(y, layer.base(x) + dropped @ A_down.T @ B_up.T)


@pytest.mark.parametrize("name", ["full", "lora+dense", "lora+sparse"])
def test_dropout_leaves_what_is_beside_the_factors_as_it_is(llama: PreTrainedModel, name: str):
    x = torch.randn(5, 32)
    with tiny_adapted(llama, METHODS[name], dropout=0.5) as adapted:
        layer = llama.get_submodule(adapted.groups[0].layers[0])
        assert isinstance(layer, AdaptedLinear)
        tensors = {symbol: torch.randn(value.shape) for symbol, value in layer.adapter.symbols.items()}
        layer.adapter.copy({symbol: tensor for symbol, tensor in tensors.items() if symbol not in ("A", "B", "M")})
        layer.adapter.copy({"B": torch.zeros_like(tensors["B"])} if "B" in tensors else {})
        expected = layer(x)
        assert not torch.allclose(expected, layer.base(x))
        layer.train()
        torch.testing.assert_close(layer(x), expected)


def adapter_of(adapted: AdaptedModel) -> GroupAdapter:
    return adapted._adapters[adapted.groups[0].name]


def test_without_gradients_factors_are_kept_until_a_symbol_changes(llama: PreTrainedModel):
    with tiny_adapted(llama, FLoRG(zero_start=False)) as adapted:
        adapter, batch = adapter_of(adapted), pad(tiny_features(4))
        with torch.inference_mode():
            loss_fn(llama, batch)
            first = adapter.factors()
            loss_fn(llama, batch)
            assert adapter.factors() is first
        with torch.no_grad():
            assert adapter.factors() is first
            adapter.symbols["A"].mul_(2)
            second = adapter.factors()
        assert second is not first
        torch.testing.assert_close(second[0][1], 2 * first[0][1])


def test_every_forward_pass_with_gradients_has_factors_of_its_own(llama: PreTrainedModel):
    """So gradients accumulate over passes, whether the backward passes follow each other or come at once."""
    batch = pad(tiny_features(4))
    with tiny_adapted(llama, FLoRG()) as adapted:
        parameter = adapted.adapter_parameters()[0]
        loss_fn(llama, batch).backward()
        one = parameter.grad.clone()
        loss_fn(llama, batch).backward()
        torch.testing.assert_close(parameter.grad, 2 * one)
        first, second = loss_fn(llama, batch), loss_fn(llama, batch)
        (first + second).backward()
        torch.testing.assert_close(parameter.grad, 4 * one)


def test_an_optimizer_step_changes_the_next_forward_pass(llama: PreTrainedModel):
    batch = pad(tiny_features(4))
    with tiny_adapted(llama, FLoRG()) as adapted:
        with torch.no_grad():
            before = loss_fn(llama, batch)
        optimizer = torch.optim.SGD(adapted.adapter_parameters(), lr=0.1)
        loss_fn(llama, batch).backward()
        optimizer.step()
        with torch.no_grad():
            assert loss_fn(llama, batch) < before


def test_a_16_bit_backbone_has_float32_adapters(model: PreTrainedModel):
    model.bfloat16()
    with tiny_adapted(model, FLoRG()) as adapted:
        layer = model.get_submodule(adapted.groups[0].layers[0])
        assert isinstance(layer, AdaptedLinear)
        x = torch.randn(4, adapted.groups[0].in_features).bfloat16()
        B_up, A_down = layer.factors()
        assert {B_up.dtype, A_down.dtype, adapted.adapter_parameters()[0].dtype} == {torch.float32}
        y = layer(x)
        assert y.dtype == torch.bfloat16
        expected = layer.base(x) + (x.float() @ A_down.T @ B_up.T).bfloat16()
        torch.testing.assert_close(y, expected, rtol=0, atol=0)


def test_autocast_leaves_the_factors_in_float32(llama: PreTrainedModel):
    with tiny_adapted(llama, FLoRG()) as adapted, torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss_fn(llama, pad(tiny_features(2))).isfinite()
        assert adapter_of(adapted).factors()[0][0].dtype == torch.float32


def test_a_layer_still_answers_for_its_base(llama: PreTrainedModel):
    with tiny_adapted(llama, FLoRG()) as adapted:
        layer = llama.get_submodule(adapted.groups[0].layers[0])
        assert isinstance(layer, AdaptedLinear)
        assert layer.weight is layer.base.weight
        assert layer.bias is layer.base.bias


def test_only_shared_and_local_symbols_are_trained():
    plan = Plan(adapter="lora", roles={"A": Role.FIXED, "B": Role.SHARED})
    adapter = GroupAdapter(Group(6, 5, ("x", "y")), plan, 2, 1.0, torch.device("cpu"), torch.float32)
    assert {symbol: tensor.requires_grad for symbol, tensor in adapter.symbols.items()} == {"A": False, "B": True}
