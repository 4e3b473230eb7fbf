"""What of a model its adapters leave out, in words: halves that no input passes, experts in one tensor, blocks."""

import re
from collections.abc import Collection, Sequence
from math import prod

from torch import nn
from transformers import PreTrainedModel

from clients.targets import endings, find_backbone, linear_layers, matching


def target_notes(
    model: PreTrainedModel, targets: Collection[str], patterns: Sequence[str], reached: Collection[str]
) -> tuple[str, ...]:
    """Sentences about what is not adapted although its name, or its place, says that it might be.

    patterns: adapter.targets as given; () = the default of the method.
    """
    endings_ = ",".join(dict.fromkeys(name.rpartition(".")[2] for name in targets))
    wanted = patterns or tuple(dict.fromkeys(name.rpartition(".")[2] for name in targets))
    notes = [
        *_idle([name for name in matching(model, wanted) if name not in reached]),
        *_experts(model, targets, endings_),
        *([] if patterns else _blocks(model, targets, reached, endings_)),
    ]
    return tuple(f"adapter.targets: {note}" for note in notes)


def _idle(names: Sequence[str]) -> list[str]:
    """Of layers that match and that the task's inputs do not pass."""
    if not names:
        return []
    places = ", ".join(dict.fromkeys(f"{_place(name)}.*" for name in names))
    return [f"{len(names)} layers of {places} have such names, but the task's inputs never pass them: not adapted"]


def _experts(model: PreTrainedModel, targets: Collection[str], endings_: str) -> list[str]:
    """Of experts that lie in one tensor, beside adapted layers of the same blocks."""
    fused = {name: shape for name, shape in _fused(model).items() if any(_same_block(name, t) for t in targets)}
    if not fused:
        return []
    share = sum(map(prod, fused.values())) / sum(p.numel() for p in find_backbone(model).parameters())
    return [
        f"{', '.join(endings(fused))} (experts of a mixture, {share:.0%} of the model's weights) lie in one tensor for "
        f"each block, which no adapter is put on: they stay as they are, and only {endings_} of these blocks is adapted"
    ]


def _fused(model: PreTrainedModel) -> dict[str, tuple[int, ...]]:
    """Weights (experts, rows, columns) by name."""
    found = {}
    for owner, module in find_backbone(model).named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            is_convolution = isinstance(module, nn.modules.conv._ConvNd)
            if parameter.dim() == 3 and min(parameter.shape) > 1 and not is_convolution:
                found[f"{owner}.{name}"] = tuple(parameter.shape)
    return found


def _same_block(fused: str, target: str) -> bool:
    """Whether a target lies beside these experts: model.layers.0.mlp.experts.x, model.layers.0.mlp.shared_expert.y."""
    block = fused.rpartition(".")[0].rpartition(".")[0]  # named from the backbone on, as the target need not be
    return f".{block}." in f".{target}"


def _blocks(model: PreTrainedModel, targets: Collection[str], reached: Collection[str], endings_: str) -> list[str]:
    """Of stacks in which some blocks have a target and others have none."""
    every: dict[str, set[str]] = {}
    for name in linear_layers(model):
        if name in reached and (found := re.match(r"(.*?)\.(\d+)\.", name)):
            every.setdefault(found[1], set()).add(found[2])
    notes = []
    for stack, numbers in every.items():
        hit = {found[1] for name in targets if (found := re.match(rf"{re.escape(stack)}\.(\d+)\.", name))}
        if hit and hit < numbers:
            notes.append(f"{endings_} are in {len(hit)} of the {len(numbers)} blocks of {stack}: the others stay as is")
    return notes


def _place(name: str) -> str:
    """The part of a model in which a layer lies, without the numbers of its blocks."""
    return re.split(r"\.\d+\.", name)[0]
