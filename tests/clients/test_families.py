"""Every family of models: its layers, its head and its padding are found, and all kinds of adapters learn in it."""

import pytest
import torch
from transformers import PreTrainedModel

from clients.adapted_model import AdaptedModel
from clients.optimizers import optimizer_for
from clients.targets import find_head, find_targets, group_layers
from clients.train_settings import TrainOptions
from clients.trainer import TrainReport, local_train
from strategies.method import Method
from strategies.methods.fedftg import FedFTG
from strategies.methods.fedit import FedIT
from strategies.methods.florg import FLoRG
from strategies.state import HEAD, HEAD_SYMBOL, State
from tests.support.families import DECODERS, ENCODERS, FAMILIES, collate, family_features, family_model, logits
from tests.support.tiny_models import loss_fn

QUERY_AND_VALUE = {
    **dict.fromkeys(FAMILIES, ("q_proj", "v_proj")),
    "bert": ("query", "value"),
    "roberta": ("query", "value"),
    "distilbert": ("q_lin", "v_lin"),
    "deberta": ("in_proj",),
    "deberta-v2": ("query_proj", "value_proj"),
    "gpt2": ("c_attn",),
}
UP = {
    **dict.fromkeys(FAMILIES, ("fc1",)),
    **dict.fromkeys(("bert", "roberta", "deberta", "deberta-v2"), ("dense",)),
    **dict.fromkeys(DECODERS, ("up_proj",)),
    "distilbert": ("lin1",),
    "gpt2": ("c_fc",),
    "opt": ("fc1",),
}
METHODS: dict[str, tuple[Method, float]] = {
    "gram": (FLoRG(), 0.05),
    "lora": (FedIT(), 0.05),
    "full": (FedFTG(scale=1.0), 0.02),
}
"""By kind of adapter: a method, and a learning rate with which a few steps show."""
TEXTS = [[5, 9, 33, 40, 7], [12, 3, 61, 8, 22]]


def adapted_by(model: PreTrainedModel, method: Method) -> AdaptedModel:
    """With the method's own adapters, as it begins, on the layers that it takes by default."""
    groups = group_layers(find_targets(model, default=method.plan.targets))
    adapted = AdaptedModel(model, method.plan, groups, 4, 4.0 if method.plan.scaled else 1.0)
    adapted.fix({group.name: method.fixed(group, 4, 1, adapted.weights) for group in groups})
    head = torch.cat([parameter.detach().flatten() for parameter in find_head(model).values()])
    start = {f"{g.name}/{s}": v for g in groups for s, v in method.initial(g, 4, 1).items()}
    adapted.fill(State.from_flat({**start, f"{HEAD}/{HEAD_SYMBOL}": head}))
    return adapted


def fit(adapted: AdaptedModel, method: Method, family: str, rate: float, steps: int, **how) -> TrainReport:
    """Steps on one batch, with the head as it is."""
    settings = TrainOptions(learning_rate=rate, head_learning_rate=0.0, max_steps=steps, batch_size=12, **how)
    optimizer = optimizer_for(adapted, settings, method.projection())
    features = family_features(family, 12)
    return local_train(adapted, features, settings, collate=collate, loss_fn=loss_fn, seed=1, optimizer=optimizer)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_defaults_are_query_and_value_and_the_up_projection_of_every_block(family: str):
    model = family_model(family)
    for default, endings in (("attention", QUERY_AND_VALUE), ("mlp-up", UP)):
        names = list(find_targets(model, default=default))
        assert sorted(name.rpartition(".")[2] for name in names) == sorted(endings[family] * 2)
    assert not any("attention" in name or name.endswith("output.dense") for name in find_targets(model, (), "mlp-up"))


@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_falls_by_the_adapters_alone(family: str, kind: str):
    method, rate = METHODS[kind]
    report = fit(adapted_by(family_model(family), method), method, family, rate, steps=6)
    assert report.loss_last < 0.9 * report.loss_first


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_checkpointing_learns_the_same_bits(family: str):
    learned = []
    for wanted in (False, True):
        adapted = adapted_by(family_model(family), FLoRG())
        report = fit(adapted, FLoRG(), family, 0.05, steps=2, gradient_checkpointing=wanted)
        learned.append((report.loss_last, *(parameter.detach() for parameter in adapted.adapter_parameters())))
        assert not adapted.model.is_gradient_checkpointing
    assert all(torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(*learned, strict=True))


@pytest.mark.parametrize("family", [*ENCODERS, *DECODERS])
def test_padding_on_the_right_does_not_change_a_prediction(family: str):
    model = family_model(family)
    expected = logits(model, TEXTS)
    assert (expected[0] - expected[1]).abs().max() > 1e-3
    for amount in (1, 6):
        torch.testing.assert_close(logits(model, TEXTS, right=amount), expected)


@pytest.mark.parametrize("family", sorted({*DECODERS} - {"gpt2"}))
def test_padding_on_the_left_does_not_change_a_decoders_prediction(family: str):
    """But for GPT-2, which numbers the positions of padding too: `load_tokenizer` pads on the right for that."""
    model = family_model(family)
    torch.testing.assert_close(logits(model, TEXTS, left=6), logits(model, TEXTS), rtol=1e-4, atol=1e-5)
