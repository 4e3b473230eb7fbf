"""Micro-batches and gradient checkpointing change what is held in memory, not what is learned."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from clients.adapted_model import AdaptedModel
from clients.batches import IGNORED, num_terms
from clients.gradient_checkpointing import with_gradient_checkpointing
from clients.seeding import scoped_seed
from clients.targets import find_targets, group_layers
from clients.train_settings import TrainOptions
from clients.trainer import TrainReport, local_train
from florg_app.config.parse import ConfigError, parse_settings
from florg_app.tasks.instruct.tokens import pad_right, response_losses
from strategies.methods.florg import FLoRG
from tests.support.tiny_models import (
    METHODS,
    loss_fn,
    pad,
    random_state,
    tiny_adapted,
    tiny_config,
    tiny_features,
    tiny_model,
)

CPU = torch.device("cpu")


def fit(adapted: AdaptedModel, penalty=None, collate=pad, features=None, loss=loss_fn, **how) -> TrainReport:
    """Steps of plain gradient descent on batches of 7, 7 and 3 examples."""
    settings = TrainOptions("sgd", 0.1, 0.1, max_grad_norm=0.0, batch_size=7, **how)
    return local_train(
        adapted, features or tiny_features(17), settings, collate=collate, loss_fn=loss, seed=0, penalty=penalty
    )


def learned(adapted: AdaptedModel) -> Tensor:
    return torch.cat([p.detach().flatten().clone() for p in adapted.adapter_parameters() + adapted.head_parameters()])


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("name", ["lora", "gram", "full"])
def test_parts_of_a_batch_add_up_to_its_gradient(name: str, size: int):
    expected, found = tiny_adapted(tiny_model("llama"), METHODS[name]), tiny_adapted(tiny_model("llama"), METHODS[name])
    before = learned(expected)
    whole, parts = fit(expected), fit(found, micro_batch_size=size)
    assert (learned(expected) - before).abs().max() > 1e-2
    torch.testing.assert_close(learned(found), learned(expected), rtol=1e-4, atol=2e-6)
    assert (parts.steps, parts.tokens) == (whole.steps, whole.tokens) == (3, whole.tokens)
    assert (parts.loss_first, parts.loss, parts.loss_last) == pytest.approx(
        (whole.loss_first, whole.loss, whole.loss_last)
    )


def responses() -> list[dict[str, Any]]:
    """Prompts of two tokens, and responses of one to seven."""
    return [
        {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": [IGNORED] * 2 + ids[2:]}
        for ids in ([3 + i, 5, *range(10, 10 + 1 + i % 7)] for i in range(17))
    ]


def test_parts_count_by_the_tokens_that_are_learned():
    """By examples, or each part alike, the rows with short responses would count for more."""
    found = []
    for size in (-1, 2):
        with scoped_seed(0):
            model = AutoModelForCausalLM.from_config(tiny_config("llama")).eval()
        adapted = AdaptedModel(model, FLoRG().plan, group_layers(find_targets(model)), 3, 1.5)
        adapted.fix({group.name: FLoRG().fixed(group, 3, 0, adapted.weights) for group in adapted.groups})
        adapted.fill(random_state(adapted, 0))

        def loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
            return response_losses(model, batch)[0].mean()

        report = fit(adapted, None, lambda rows: pad_right(rows, 0), responses(), loss, micro_batch_size=size)
        found.append((report.loss, learned(adapted)))
    assert found[1][0] == pytest.approx(found[0][0])
    torch.testing.assert_close(found[1][1], found[0][1], rtol=1e-4, atol=2e-6)


def test_a_batch_without_labels_counts_by_its_examples():
    assert num_terms({"pixel_values": torch.zeros(5, 3, 2, 2)}) == 5
    assert num_terms({"input_ids": torch.zeros(4, 9), "labels": torch.tensor([1.5, 0.0, 2.0, 4.0])}) == 4


def test_a_penalty_counts_once_per_step():
    found = []
    for size in (-1, 2):
        adapted = tiny_adapted(tiny_model("llama"), METHODS["lora"])
        weights = adapted.adapter_parameters()
        fit(adapted, lambda weights=weights: sum(w.square().sum() for w in weights), micro_batch_size=size)
        found.append(learned(adapted))
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", METHODS)
def test_checkpointing_learns_the_same_bits_with_any_adapter_and_dropout(name: str):
    found = []
    for wanted in (False, True):
        adapted = tiny_adapted(tiny_model("llama"), METHODS[name], dropout=0.2)
        fit(adapted, gradient_checkpointing=wanted, micro_batch_size=4)
        found.append(learned(adapted))
    assert torch.equal(*found)


def test_checkpointing_keeps_less_for_the_way_back_and_ends_with_its_block(llama: PreTrainedModel):
    kept: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    def numbers_kept() -> int:
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss_fn(llama, pad(tiny_features(4))).backward()
        return sum(kept)

    with tiny_adapted(llama, FLoRG()):
        llama.train()
        plain = numbers_kept()
        with with_gradient_checkpointing(llama, True):
            assert numbers_kept() < 0.5 * plain
        assert numbers_kept() == plain


def test_a_model_without_blocks_to_compute_again_is_refused():
    model = tiny_model("bert")
    model.__class__ = type("Odd", (type(model),), {"supports_gradient_checkpointing": False})
    with (
        pytest.raises(ValueError, match=r"train\.gradient-checkpointing = true: Odd"),
        with_gradient_checkpointing(model, True),
    ):
        pass


def test_parts_larger_than_the_batch_are_refused():
    with pytest.raises(ConfigError, match=r"train\.micro-batch-size = 17 is more than train\.batch-size = 16"):
        parse_settings({"train.micro-batch-size": 17})
    assert parse_settings({"train.micro-batch-size": -1}).train.micro_batch_size is None
