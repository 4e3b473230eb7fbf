"""Which layers of a model are adapted, how they fall into shape groups, and which parameters are the task head."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from clients.adapters import AdaptedLinear
from clients.architectures import Head
from clients.linear import is_linear, linear_shape
from strategies.state import Group

QUERY_AND_VALUE: tuple[tuple[str, ...], ...] = (
    ("q_proj", "v_proj"),  # Llama, Mistral, Gemma, Qwen, Phi, OPT, BART, CLIP, ViT
    ("query", "value"),  # BERT, RoBERTa, ELECTRA, ALBERT
    ("query_proj", "value_proj"),  # DeBERTa-v2 and -v3
    ("q_lin", "v_lin"),  # DistilBERT
    ("q", "v"),  # T5, MPNet
    ("c_attn",),  # GPT-2
    ("qkv_proj",),  # Phi-3
    ("query_key_value",),  # GPT-NeoX, BLOOM, Falcon
    ("Wqkv",),  # ModernBERT, MPT
    ("in_proj",),  # DeBERTa
    ("q_b_proj", "kv_b_proj"),  # DeepSeek: up from what is kept of queries, of keys and values
    ("q_proj", "kv_b_proj"),  # DeepSeek lite
    ("qkv",),  # Hiera
    ("Wq", "Wv"),  # CTRL
    ("q_head", "v_head"),  # Funnel
)
"""Names of the attention query and value projections (or of the one layer that fuses them with the key).

The first row found in the model counts. Names and not model types: families share them, and they move between versions.
"""

MLP_UP: tuple[tuple[str, ...], ...] = (
    ("up_proj",),  # Llama, Mistral, Gemma, Qwen, MPT
    ("intermediate.dense",),  # BERT, RoBERTa, ELECTRA, DeBERTa, MPNet, ViT
    ("layers.*.fc1",),  # OPT, BART, Phi, CLIP; SigLIP but for its pooling head, which its classifier leaves aside
    ("fc1",),  # ViT, DeiT, DINOv2 in other versions of transformers
    ("weights_in",),  # DINOv2 with gates
    ("lin1",),  # DistilBERT
    ("c_fc",),  # GPT-2
    ("wi_1",),  # T5 with gates
    ("wi",),  # T5
    ("dense_h_to_4h",),  # GPT-NeoX, BLOOM, Falcon
    ("gate_up_proj",),  # Phi-3
    ("Wi",),  # ModernBERT
    ("ffn.linear_1",),  # Funnel
)
"""Names of the first layer of the MLP (with its gate where one layer fuses both)."""

DEFAULTS: Mapping[str, tuple[tuple[str, ...], ...]] = {"attention": QUERY_AND_VALUE, "mlp-up": MLP_UP}
"""By `strategies.plan.Plan.targets`."""


TASK_HEADS = frozenset({"qa_outputs", "classifier", "score", "classification_head"})
"""Names of task heads, for models that do not hold their backbone in one module."""


def find_backbone(model: PreTrainedModel) -> nn.Module:
    """What is pretrained of a model with a task head; the model itself where it has none."""
    if model.base_model is not model:
        return model.base_model
    # SigLIP's classifiers hold the image half of their backbone under a name that transformers does not tell. A
    # language model of two halves may call one of them so as well.
    return model if model.get_output_embeddings() is not None else getattr(model, "vision_model", model)


def linear_layers(model: PreTrainedModel) -> dict[str, nn.Module]:
    """The backbone's linear layers by qualified name, in model order; no task head and no language-model head."""
    modules = dict(model.named_modules())
    assert not any(isinstance(module, AdaptedLinear) for module in modules.values()), "the model is already adapted"
    backbone, heads = {id(module) for module in find_backbone(model).modules()}, head_modules(model)
    return {
        name: module
        for name, module in modules.items()
        if id(module) in backbone and name.partition(".")[0] not in heads and is_linear(module)
    }


def find_targets(
    model: PreTrainedModel,
    patterns: Sequence[str] = (),
    default: str = "attention",
    reached: Collection[str] | None = None,
) -> dict[str, nn.Module]:
    """Find the layers to adapt.

    Args:
        model: not adapted yet.
        patterns: each names the last components of a layer's name, or all: "query", "attention.self.query",
            "layer.[01].*.query"; a star spans components.
        default: without patterns, the key of DEFAULTS that says which layers, such as attention's query and value.
        reached: names of the layers that the task's inputs pass; others are left out. None: all but those in the halves
            of a language model that read no texts.

    Returns:
        The layers by qualified name, in model order.

    Raises:
        ValueError: a pattern, or the default, matches no layer that is reached; says which there are.
    """
    everywhere = linear_layers(model)
    reached = everywhere.keys() - _beside_texts(model, everywhere) if reached is None else reached
    layers = {name: everywhere[name] for name in everywhere if name in reached}
    if not patterns:
        patterns = next((row for row in DEFAULTS[default] if _unmatched(row, layers) == []), ())
    if not layers:
        raise ValueError(
            f"model.name: {type(model).__name__} has no linear layer outside its head that the task's inputs pass, so "
            "that no adapter can be put on it; choose a model with attention"
        )
    unmatched = _unmatched(patterns, layers)
    if unmatched or not patterns:
        idle = [name for name in everywhere if unmatched and _matches(unmatched[0], name)]
        what = f"{unmatched[0]!r} matches no linear layer" if unmatched else "empty, and no default is known"
        what += f" that the task's inputs pass ({idle[0]} is none), of those" if idle else ""
        raise ValueError(
            f"adapter.targets = {','.join(patterns)!r}: {what} of this model ({model.config.model_type}); "
            f"name some of its linear layers, which end in: {', '.join(endings(layers))}"
        )
    return {name: layer for name, layer in layers.items() if any(_matches(pattern, name) for pattern in patterns)}


def _beside_texts(model: PreTrainedModel, names: Collection[str]) -> set[str]:
    """Of these layers those in the halves for images or sounds of a model that has one for texts as well."""
    text = model.config.get_text_config()
    parts = {name: part.config for name, part in model.named_modules() if name and isinstance(part, PreTrainedModel)}
    if text is model.config or not any(config is text for config in parts.values()):
        return set()
    halves = [half for name in model.config.sub_configs if (half := getattr(model.config, name, None)) is not text]
    others = [f"{name}." for name, config in parts.items() if any(config is half for half in halves)]
    return {name for name in names if name.startswith(tuple(others))}


def matching(model: PreTrainedModel, patterns: Sequence[str]) -> list[str]:
    """The linear layers that any of these patterns names, in model order."""
    return [name for name in linear_layers(model) if any(_matches(pattern, name) for pattern in patterns)]


def group_layers(targets: Mapping[str, nn.Module]) -> tuple[Group, ...]:
    """The shape groups of the target layers, by first appearance in the model; layers in model order."""
    names: dict[tuple[int, int], list[str]] = {}
    for name, layer in targets.items():
        names.setdefault(linear_shape(layer), []).append(name)
    return tuple(Group(o, i, tuple(layers)) for (o, i), layers in names.items())


def find_head(model: PreTrainedModel) -> dict[str, nn.Parameter]:
    """The parameters of the task head by name, in model order: all that are not the backbone's.

    Empty for language models, whose output embedding is pretrained. BERT's pooler belongs to the backbone.
    """
    heads = head_modules(model)
    return {name: parameter for name, parameter in model.named_parameters() if name.partition(".")[0] in heads}


def head_modules(model: PreTrainedModel) -> frozenset[str]:
    """The names of the modules, children of the model, that its task head is made of."""
    if model.get_output_embeddings() is not None:
        return frozenset()
    backbone = find_backbone(model)
    if backbone is model:  # which keeps the parts of its backbone beside the head: T5 for question answering
        return frozenset(name for name, _ in model.named_children() if name in TASK_HEADS)
    ours = {id(parameter) for parameter in backbone.parameters()}
    names = (name for name, parameter in model.named_parameters() if id(parameter) not in ours)
    return frozenset(name.partition(".")[0] for name in names)


def future_head_modules(head: Head, config: PreTrainedConfig, trust_remote_code: bool = False) -> list[str]:
    """`head_modules` of the model that this configuration will give, found without making any weights."""
    with torch.device("meta"):
        model = head.kind.model_class(config).from_config(config, trust_remote_code=trust_remote_code)
    return sorted(head_modules(model))


def _matches(pattern: str, name: str) -> bool:
    return fnmatchcase(f".{name}", f"*.{pattern}")


def _unmatched(patterns: Iterable[str], names: Iterable[str]) -> list[str]:
    names = tuple(names)
    return [pattern for pattern in patterns if not any(_matches(pattern, name) for name in names)]


def endings(names: Iterable[str]) -> list[str]:
    """What follows the layer's number in each name, without duplicates: "attention.self.query", "mlp.up_proj"."""
    return list(dict.fromkeys(re.split(r"\.\d+\.", name)[-1] for name in names))
