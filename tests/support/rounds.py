"""One round of any method on small, never square shapes: cases, states, uploads and the dW they make."""

import dataclasses
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch

from strategies import METHODS
from strategies.bases.basis import Basis
from strategies.method import Method
from strategies.parametrisation import PARAMETRISATIONS
from strategies.plan import UPLOADED, Role
from strategies.state import Group

RANK, SEED, SCALE = 2, 7, 4.0
TALL, WIDE = Group(6, 5, ("a", "b", "c")), Group(4, 7, ("a", "b"))
W = [3.0, 10.0, 1.0, 6.0]


def single_changes(cls: type[Method]) -> list[dict]:
    """Every setting of a method with a few values, changed alone."""
    changes = []
    for field in dataclasses.fields(cls):
        hint = get_type_hints(cls)[field.name]
        values = get_args(hint) if get_origin(hint) is Literal else (False, True) if hint is bool else ()
        changes += [{field.name: value} for value in values if value != field.default]
    return changes


def valid(cls: type[Method], settings: dict) -> bool:
    try:
        cls(**settings)
    except ValueError:
        return False
    return True


def cases() -> list:
    """The defaults and every change of one setting; a change that needs another one is tried with each."""
    found = []
    for name, cls in METHODS.items():
        changes = single_changes(cls)
        alone = [{}] + [change for change in changes if valid(cls, change)]
        pairs = [{**other, **change} for change in changes if not valid(cls, change) for other in alone[1:]]
        for settings in alone + [both for both in pairs if valid(cls, both)]:
            label = ",".join([name, *(f"{key}={value}" for key, value in settings.items())])
            found.append(pytest.param(cls(**settings), id=label))
    return found


def frozen(group):
    rng = np.random.default_rng(3)
    return torch.from_numpy(rng.standard_normal((len(group.layers), group.out_features, group.in_features)))


def initial(method, group, seed=SEED, weights=frozen):
    """The state before round 1, as the application makes it."""
    return {**method.initial(group, RANK, seed), **method.from_weights(group, RANK, SCALE, weights)}


def fixed(method, group):
    """The FIXED tensors and bases in float64."""
    return {
        symbol: value.to("cpu", torch.float64) if isinstance(value, Basis) else value.double()
        for symbol, value in method.fixed(group, RANK, SEED, frozen).items()
    }


def moved(tensors, seed, size=0.5):
    """The tensors after some training: moved by noise of `size`."""
    rng = np.random.default_rng(seed)
    return {
        symbol: tensor + size * torch.from_numpy(rng.standard_normal(tensor.shape))
        for symbol, tensor in tensors.items()
    }


T = 2
"""The round of the laws: a rule may do less in the first one."""


def fresh(method, group, t):
    """What round t begins with beside the state, float64."""
    return {symbol: tensor.double() for symbol, tensor in method.round_start(t, group, RANK, SEED).items()}


def whole(method, group, t=T):
    """All symbols of a client in the middle of training as round t begins, float64, of order 1."""
    state = moved({symbol: tensor.double() for symbol, tensor in initial(method, group).items()}, seed=0)
    return {**state, **fresh(method, group, t)}


def start(method, group, t=T):
    """What the server has of `whole`."""
    tensors = whole(method, group, t)
    return {symbol: tensor for symbol, tensor in tensors.items() if symbol not in local(method, group)}


def local(method, group):
    """What a client keeps of `whole` to itself."""
    tensors = whole(method, group)
    return {symbol: tensors[symbol] for symbol in method.plan.named(Role.LOCAL)}


def shared(method, state, t=T):
    return {symbol: state[symbol] for symbol in method.plan_at(t).named(*UPLOADED)}


def trained(method, state, n=4, seed=1, t=T):
    """The uploads of n clients in round t, one for each weight of W, who started from the state."""
    return [moved(shared(method, state, t), seed * 1000 + client) for client in range(n)]


def delta(method, group, tensors):
    """dW (l, o, i); what an upload, or the server, lacks is that of `whole`."""
    complete = {**whole(method, group), **tensors}
    return PARAMETRISATIONS[method.plan.adapter].update(complete, fixed(method, group), SCALE)


def numpy_of(tensors):
    return {s: value.dense().numpy() if isinstance(value, Basis) else value.numpy() for s, value in tensors.items()}
