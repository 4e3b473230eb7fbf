"""Tiny random models, data and adapters for tests: made from configurations in milliseconds, nothing downloaded."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    GPT2Config,
    LlamaConfig,
    OPTConfig,
    PreTrainedConfig,
    PreTrainedModel,
    RobertaConfig,
)

from clients.adapted_model import AdaptedModel
from clients.architectures import Head
from clients.seeding import scoped_seed
from clients.targets import find_targets, group_layers
from strategies.method import Method
from strategies.methods.fedavg import FedAvg
from strategies.methods.federa import FeDeRA
from strategies.methods.fedex_lora import FedExLoRA
from strategies.methods.fedit import FedIT
from strategies.methods.florg import FLoRG
from strategies.methods.lora_xs import LoRAXS
from strategies.methods.ravan import RAVAN
from strategies.methods.slora import SLoRA
from strategies.plan import Role
from strategies.rng import generator
from strategies.state import Group, State

VOCABULARY = 64
POSITIONS = 130
"""Two more than the default of task.max-length, which RoBERTa keeps for itself."""
RANK = 3
SCALE = 1.5

METHODS: Mapping[str, Method] = {
    "lora": FedIT(),
    "full": FedAvg(),
    "lora-from-w0": FeDeRA(),
    "core": LoRAXS(),
    "core+heads": RAVAN(),
    "lora+dense": FedExLoRA(),
    "lora+factored": FedExLoRA(residual="factored"),
    "lora+sparse": SLoRA(density=0.05),
    "gram": FLoRG(zero_start=False),
    "gram-zero-start": FLoRG(),
    "gram+turned": FLoRG(basis="gradient"),
    "gram-signed-permutation": FLoRG(basis="signed-permutation"),
}
"""Every way in which symbols and bases make factors."""

TARGETS: Mapping[str, tuple[str, ...]] = {
    "bert": ("query", "intermediate.dense", "layer.*.output.dense"),
    "opt": ("q_proj", "v_proj", "fc1"),
    "gpt2": ("c_attn", "mlp.c_proj"),
    "llama": ("q_proj", "v_proj"),
}
"""Per family: taller, wider and square layers, and Conv1D."""


def tiny_config(family: str, num_labels: int = 3) -> PreTrainedConfig:
    """Two layers of width 32, no dropout; Llama has narrow heads, fewer for key and value: q and v are not square."""
    common: dict[str, Any] = {"vocab_size": VOCABULARY, "num_labels": num_labels, "pad_token_id": 0}
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"bos_token_id": 1, "eos_token_id": 2}
    if family in ("bert", "roberta"):
        quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        cls = BertConfig if family == "bert" else RobertaConfig
        return cls(**common, **sizes, **quiet, intermediate_size=48, max_position_embeddings=POSITIONS)
    if family == "opt":
        quiet = {"dropout": 0.0, "attention_dropout": 0.0}
        return OPTConfig(**common, **ends, **sizes, **quiet, ffn_dim=48, word_embed_proj_dim=16)
    if family == "gpt2":
        quiet = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
        return GPT2Config(**common, **ends, **quiet, n_embd=32, n_layer=2, n_head=4, n_positions=POSITIONS)
    assert family == "llama", family
    return LlamaConfig(**common, **ends, **sizes, num_key_value_heads=2, head_dim=12, intermediate_size=48)


def tiny_model(family: str, num_labels: int = 3, seed: int = 0) -> PreTrainedModel:
    """A float32 sequence classifier of this family in eval mode; the same bits for the same arguments."""
    with scoped_seed(seed):
        return AutoModelForSequenceClassification.from_config(tiny_config(family, num_labels)).eval()


def classifier(num_labels: int) -> Head:
    return Head("sequence-classification", num_labels)


def tiny_groups(model: PreTrainedModel) -> tuple[Group, ...]:
    """The shape groups of the family's TARGETS."""
    return group_layers(find_targets(model, TARGETS[model.config.model_type]))


def tiny_adapted(
    model: PreTrainedModel, method: Method, seed: int = 0, std: float = 0.2, dropout: float = 0.0
) -> AdaptedModel:
    """The model with the method's adapters on the family's TARGETS, bases set, filled at random."""
    adapted = AdaptedModel(model, method.plan, tiny_groups(model), RANK, SCALE, dropout)
    adapted.fix({group.name: method.fixed(group, RANK, seed, adapted.weights) for group in adapted.groups})
    adapted.fill(random_state(adapted, seed, std))
    if method.plan.named(Role.FRESH):
        adapted.refresh(State({group.name: method.round_start(1, group, RANK, seed) for group in adapted.groups}))
    return adapted


def random_state(adapted: AdaptedModel, seed: int, std: float = 0.2) -> State:
    """A state that `fill` accepts, N(0, std^2); free sizes are other than the rank."""
    shapes = {key: [RANK + 2 if size is None else size for size in shape] for key, shape in adapted.shapes.items()}
    draws = {key: generator(seed, "state", key).normal(0, std, shape) for key, shape in shapes.items()}
    return State.from_flat({key: torch.from_numpy(values).float() for key, values in draws.items()})


def tiny_features(num_examples: int, seed: int = 0, num_labels: int = 3) -> list[dict[str, Any]]:
    """Tokenised examples of 4 to 12 tokens, none of them the padding token 0; the label is the first token's."""
    rng = generator(seed, "features")
    tokens = [rng.integers(3, VOCABULARY, rng.integers(4, 13)).tolist() for _ in range(num_examples)]
    return [{"input_ids": ids, "labels": ids[0] % num_labels} for ids in tokens]


def pad(examples: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Collate: padded on the right to the longest example."""
    length = max(len(example["input_ids"]) for example in examples)
    ids = torch.tensor([[*example["input_ids"], *[0] * (length - len(example["input_ids"]))] for example in examples])
    labels = torch.tensor([example["labels"] for example in examples])
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": labels}


def loss_fn(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """The classifier's own cross-entropy."""
    return model(**batch).loss


def logits_fn(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """(b, classes)"""
    return model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
