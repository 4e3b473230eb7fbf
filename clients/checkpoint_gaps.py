"""What a checkpoint lacked of the model that was made of it: said, or refused where no training could mend it."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from transformers import PreTrainedModel

from clients.architectures import Head
from clients.class_order import Known
from clients.targets import find_backbone, find_head


def what_was_lacking(
    model: PreTrainedModel, loading: Mapping[str, Any], head: Head, known: Known, name_or_path: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(weights of the backbone that were drawn from the seed, sentences about them and about the head).

    loading: transformers' report. Raises ValueError where nothing of the backbone was in the checkpoint, or no output
    layer of a language model, since a random one trains too, but badly; and where weights have other shapes than the
    configuration says.
    """
    own, missing = f"model.name = {name_or_path!r}", set(loading["missing_keys"])
    backbone = _backbone_names(model)
    if backbone <= missing:
        raise ValueError(
            f"{own}: its weights have none of the names that {type(model).__name__} knows ({min(backbone)}, ...), so "
            "that nothing was loaded; use a checkpoint of the same model family"
        )
    if head.num_labels is not None and not find_head(model):
        raise ValueError(
            f"{own}: {type(model).__name__} keeps its output layer within its backbone, where it would not be trained; "
            "choose another model"
        )
    others = {key: shapes for key, *shapes in loading["mismatched_keys"]}
    if wrong := sorted(key for key in others if key not in find_head(model)):
        found, expected = others[wrong[0]]
        raise ValueError(
            f"{own}: {wrong[0]} is {tuple(found)} in its weights and {tuple(expected)} by its config.json"
            f"{_and_more(wrong)}; use the files of one and the same model"
        )
    if head.num_labels is None and (outputs := sorted(missing - backbone)):
        raise ValueError(
            f"{own}: its weights have no {outputs[0]}{_and_more(outputs)}, without which it is no language model; use "
            "the checkpoint of one, not of its backbone alone"
        )
    drawn = tuple(name for name, _ in model.named_parameters() if name in missing & backbone)
    notes = []
    if drawn:
        notes.append(
            f"{own}: its checkpoint lacks {_short(drawn)}: drawn from the seed, the same on all nodes, and not trained"
        )
    if extra := _without_a_place(model, loading["unexpected_keys"]):
        notes.append(
            f"{own}: its checkpoint has {_short(extra)}, for which its config.json has no layer: left aside; is it the "
            "config.json of this model?"
        )
    if (known.fresh and has_head_of(model, loading)) or any(key in others for key in find_head(model)):
        notes.append(f"{own}: its head {known.fresh or 'has another number of outputs'}: drawn anew")
    elif known.note and not missing & find_head(model).keys():
        notes.append(f"{own}: {known.note}")
    return drawn, tuple(notes)


def has_head_of(model: PreTrainedModel, loading: Mapping[str, Any]) -> bool:
    """Whether any weight of the head came from the checkpoint, of another number of outputs as well."""
    return not find_head(model).keys() <= set(loading["missing_keys"])


def _without_a_place(model: PreTrainedModel, unexpected: Collection[str]) -> list[str]:
    """Weights of a checkpoint that are as those of the model, but of layers with other numbers."""
    forms = {_form(name) for name, _ in model.named_parameters()}
    prefix = f"{model.base_model_prefix}."
    return sorted(key for key in unexpected if _form(key) in forms or _form(f"{prefix}{key}") in forms)


def _form(name: str) -> str:
    """The name with its numbers left open."""
    return re.sub(r"(?<=\.)\d+(?=\.)", "*", name)


def _backbone_names(model: PreTrainedModel) -> set[str]:
    ours = {id(parameter) for parameter in find_backbone(model).parameters()}
    head = find_head(model)
    return {name for name, parameter in model.named_parameters() if id(parameter) in ours and name not in head}


def _short(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:5])} and {len(names) - 5} more weights"


def _and_more(names: Collection[str]) -> str:
    return f", and {len(names) - 1} more" if len(names) > 1 else ""
