"""Whose classes a checkpoint's head knows, against those of the task: the same, in another order, or other ones."""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from clients.architectures import CLASSES, Head
from clients.targets import find_head, head_modules

_UNNAMED = re.compile(r"LABEL_\d+")


@dataclass(frozen=True)
class Known:
    """What a checkpoint's configuration says of its head, beside the task."""

    order: tuple[int, ...] | None = None
    """Row of the head for each class of the task, where that is another order than its own."""
    fresh: str = ""
    """Why the head cannot be taken over, in words that follow "its head"; "" where it can."""
    note: str = ""
    """What else is to be said of a head that is taken over."""


def known_classes(config: PreTrainedConfig, head: Head) -> Known:
    """Compare the classes that the configuration of a checkpoint names, and their kind, with those of a task.

    Names are the same whatever their case, and whether their words are joined by spaces, dashes or underscores; 0, 0.0
    and false are, and 1, 1.0 and true. A checkpoint of as many classes without names is taken at its word, and that is
    said.
    """
    if not head.classes and head.problem_type is None:
        return Known()
    if other := _other_problem(config, head):
        return Known(fresh=other)
    if not head.classes:
        return Known()
    names = _names(config)
    if len(names) != len(head.classes):
        return Known(fresh=f"has {len(names)} classes, the task {len(head.classes)}")
    wanted = ", ".join(head.classes)
    if all(_UNNAMED.fullmatch(name) for name in names):
        return Known(note=f"its head has as many classes without names, which are taken as {wanted}, in this order")
    order = _order(names, head.classes)
    if order is None:
        return Known(fresh=f"is of other classes ({', '.join(names)}) than the task ({wanted})")
    if order == tuple(range(len(order))):
        return Known()
    note = f"the classes of its head are {', '.join(names)} and were put into the order of the task: {wanted}"
    return Known(order=order, note=note)


@torch.no_grad()
def reorder_head(model: PreTrainedModel, head: Head, order: Sequence[int]) -> None:
    """Put the rows of the head that belong to classes into another order, in place: row c becomes row order[c]."""
    for name, axis in _class_axes(model, head).items():
        parameter = model.get_parameter(name)
        parameter.copy_(parameter.index_select(axis, torch.tensor(order, device=parameter.device)))


@torch.no_grad()
def draw_head(model: PreTrainedModel) -> None:
    """Draw the weights of the head anew, as the model's family does, from torch's present seed.

    transformers offers no way to leave weights of a checkpoint aside that have the right names and shapes.
    """
    for top in sorted(head_modules(model)):
        for module in model.get_submodule(top).modules():
            for parameter in module.parameters(recurse=False):
                vars(parameter)["_is_hf_initialized"] = False  # else its initialisers leave it as it is
            model._init_weights(module)


def _names(config: PreTrainedConfig) -> tuple[str, ...]:
    """Class names by number; those of label2id where only that has any."""
    named: dict[int, str] = {int(number): str(name) for number, name in (config.id2label or {}).items()}
    if all(_UNNAMED.fullmatch(name) for name in named.values()):
        numbers = {int(number): str(name) for name, number in (config.label2id or {}).items()}
        named = numbers if numbers.keys() == named.keys() else named
    return tuple(named[number] for number in sorted(named))


def _order(names: Sequence[str], wanted: Sequence[str]) -> tuple[int, ...] | None:
    """The place of each wanted name among `names`; None where they are not the same names."""
    for form in (str, _plain, _equal):
        places: Mapping[str, int] = {form(name): place for place, name in enumerate(names)}
        if len(places) == len(names) and places.keys() == {form(name) for name in wanted}:
            return tuple(places[form(name)] for name in wanted)
    return None


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _equal(name: str) -> str:
    """One text for what is the same number or truth value."""
    plain = re.sub(r"^(-?\d+)\.0*$", r"\1", _plain(name))
    return {"true": "1", "false": "0"}.get(plain, plain)


def _other_problem(config: PreTrainedConfig, head: Head) -> str:
    own, wanted = config.problem_type, head.problem_type or CLASSES
    return "" if own in (None, wanted) else f"was trained for {own}, the task is {wanted}"


def _class_axes(model: PreTrainedModel, head: Head) -> dict[str, int]:
    """By name of each of the head's parameters that grow with the number of classes: the axis that does."""
    assert head.num_labels is not None
    config = deepcopy(model.config)
    config.num_labels = head.num_labels + 1
    with torch.device("meta"):
        grown = dict(type(model)(config).named_parameters())
    return {
        name: axis
        for name, parameter in find_head(model).items()
        for axis, (now, then) in enumerate(zip(parameter.shape, grown[name].shape, strict=True))
        if now != then
    }
