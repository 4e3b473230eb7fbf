"""What a client's round costs, from few steps gone through: other sizes of batches follow from them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from florg_app.plan.client_steps import PlannedClient, StepCost
from florg_app.plan.workload import PartSize, Workload
from strategies.state import State

MOST_STATES = 3
"""Sizes of the received state that are gone through; between them what a step costs is a straight line."""


@dataclass(frozen=True)
class ClientCosts:
    """Of one client's round."""

    flops: float
    """Mean over the rounds."""
    trained_numbers: int
    """The most of any round."""
    adapter_bytes: int
    """The most that the adapters' symbols take in any round."""
    step_bytes: int
    """The most that a step needs beside model and adapters."""


def client_costs(client: PlannedClient, workload: Workload, received: Sequence[tuple[int, State]]) -> ClientCosts:
    """Go through steps of a client.

    Args:
        client: its model.
        workload: sizes and numbers of the parts of its batches.
        received: rounds from 1, and the state with which a client begins each; sizes of pushed factors may grow.
    """
    kinds: dict[object, list[tuple[int, State]]] = {}
    for t, state in received:
        kinds.setdefault(client.roles_in(t), []).append((t, state))
    found = [(len(rounds), _costs_of_kind(client, workload, rounds)) for rounds in kinds.values()]
    return ClientCosts(
        flops=sum(count * one.flops for count, one in found) / max(len(received), 1),
        trained_numbers=max((one.trained_numbers for _, one in found), default=0),
        adapter_bytes=max((one.adapter_bytes for _, one in found), default=0),
        step_bytes=max((one.step_bytes for _, one in found), default=0),
    )


def _costs_of_kind(client: PlannedClient, workload: Workload, received: Sequence[tuple[int, State]]) -> ClientCosts:
    """The same for rounds in which the adapters have the same roles."""
    by_numbers = {_numbers(state): (t, state) for t, state in reversed(received)}
    sizes = sorted(by_numbers)
    places = sorted({round(place) for place in np.linspace(0, len(sizes) - 1, MOST_STATES)})
    flops, trained, adapter_bytes, step_bytes = [], 0, 0, 0
    for numbers in (sizes[place] for place in places):
        t, state = by_numbers[numbers]
        client.fill(state, t)
        costs = _costs_by_size(client, workload)
        flops.append(_flops_of_round(costs, workload, client.steps_between_projectors))
        trained = max(trained, client.trained_numbers)
        adapter_bytes = max(adapter_bytes, client.adapter_bytes)
        step_bytes = max(step_bytes, costs[workload.largest].bytes)
    each = [_numbers(state) for _, state in received]
    mean = float(np.mean(np.interp(each, [sizes[place] for place in places], flops)))
    return ClientCosts(mean, trained, adapter_bytes, step_bytes)


def _numbers(state: State) -> int:
    return sum(tensor.numel() for tensor in state.flat.values())


def _flops_of_round(costs: Mapping[PartSize, StepCost], workload: Workload, gap: int | None) -> float:
    """All parts of all steps, and the optimizer's steps, whose every `gap`-th is dearer."""
    fitted = fitted_flops({size: cost.flops for size, cost in costs.items()}, list(workload.parts))
    passes = sum(count * fitted[size] for size, count in workload.parts.items())
    update = costs[workload.largest]
    dear = math.ceil(workload.steps / gap) if gap else min(1.0, workload.steps)
    return passes + dear * update.first_update + (workload.steps - dear) * update.later_update


def _costs_by_size(client: PlannedClient, workload: Workload) -> dict[PartSize, StepCost]:
    """Of the largest part, which decides on the memory, and of some others that tell the rest."""
    chosen = {*telling_sizes(list(workload.parts)), workload.largest}
    return {size: client.step(workload.samples[size]) for size in sorted(chosen)}


def telling_sizes(sizes: Sequence[PartSize]) -> list[PartSize]:
    """Return up to four sizes from which `fitted_flops` tells all: the farthest from what those before them tell."""
    rest = _features(sizes)
    rest /= np.linalg.norm(rest, axis=0)
    chosen: list[PartSize] = []
    for _ in range(min(rest.shape[1], len(sizes))):
        norms = np.linalg.norm(rest, axis=1)
        place = int(norms.argmax())
        if norms[place] < 1e-9:
            break
        chosen.append(sizes[place])
        direction = rest[place] / norms[place]
        rest = rest - np.outer(rest @ direction, direction)
    return chosen


def fitted_flops(known: Mapping[PartSize, int], sizes: Sequence[PartSize]) -> dict[PartSize, float]:
    """Return the FLOPs of parts of these sizes from those of some.

    Of b rows of l tokens they are c0 + b (c1 + c2 l + c3 l^2): adapters' factors do not depend on the batch, a head may
    read one token of each row, linear layers read all, attention all pairs. Those of known sizes are taken as they are.
    """
    values = np.array(list(known.values()), float)
    scale = np.linalg.norm(_features(list(known)), axis=0)
    weights = np.linalg.lstsq(_features(list(known)) / scale, values, rcond=None)[0]
    found = (_features(sizes) / scale) @ weights
    return {size: float(known.get(size, value)) for size, value in zip(sizes, found, strict=True)}


def _features(sizes: Sequence[PartSize]) -> np.ndarray:
    return np.array([[1, rows, rows * tokens, rows * tokens**2] for rows, tokens in sizes], float)
