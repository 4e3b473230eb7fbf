"""Sketches of the gradient of a client's loss in the adapted layers' weights, without a matrix of their size."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from clients.adapted_model import AdaptedModel
from clients.batches import Collate, num_terms, to_device
from clients.device import Precision, autocast
from clients.stepper import LossFn
from strategies.state import State

Probes = Mapping[str, tuple[Tensor, Tensor]]
"""By group: Omega (i, p) and Psi (o, p)."""


def sketch_gradient(
    adapted: AdaptedModel,
    features: Sequence[Mapping[str, Any]],
    probes: Probes,
    *,
    collate: Collate,
    loss_fn: LossFn,
    batch_size: int,
    precision: Precision,
) -> State:
    """Return Y = G Omega (l, o, p) and X = G^T Psi (l, i, p) of every group; float32 on the CPU.

    G (o, i) is the gradient of the mean loss of all rows in the weight of a layer, where dW is as the model has it, in
    evaluation mode: no dropout. A layer with inputs x (tokens, i) and gradients d (tokens, o) of its outputs adds d^T x
    to G, so that d^T (x Omega) and x^T (d Psi) are all that is made of it, in float64 sums, one layer at a time.

    Args:
        adapted: the model, adapters included.
        features: the rows, at least one.
        probes: the random matrices of each group.
        collate: makes a batch of some rows.
        loss_fn: the mean loss of a batch over its `num_terms`.
        batch_size: rows at a time.
        precision: of the autocast.
    """
    device, terms = adapted.model.device, 0
    places = {name: (group.name, index) for group in adapted.groups for index, name in enumerate(group.layers)}
    on_device = {name: tuple(probe.to(device) for probe in pair) for name, pair in probes.items()}
    sums = {
        group.name: {
            "Y": torch.zeros(
                len(group.layers), group.out_features, probes[group.name][0].shape[1], dtype=torch.float64
            ),
            "X": torch.zeros(len(group.layers), group.in_features, probes[group.name][1].shape[1], dtype=torch.float64),
        }
        for group in adapted.groups
    }

    def take(layer: str, x: Tensor, d: Tensor) -> None:
        group, index = places[layer]
        Omega, Psi = on_device[group]
        x, d = x.flatten(0, -2).float(), d.flatten(0, -2).float()
        sums[group]["Y"][index] += (d.mT @ (x @ Omega)).to("cpu", torch.float64)
        sums[group]["X"][index] += (x.mT @ (d @ Psi)).to("cpu", torch.float64)

    adapted.model.eval()
    with _watched({name: adapted.model.get_submodule(name) for name in places}, take):
        for start in range(0, len(features), batch_size):
            batch = collate(list(features[start : start + batch_size]))
            count = num_terms(batch)
            with autocast(precision, device):
                loss = loss_fn(adapted.model, to_device(batch, device))
            (loss.float() * count).backward()
            terms += count
    adapted.model.zero_grad(set_to_none=True)
    for tensor in adapted.trained.flat.values():
        tensor.grad = None
    return State(sums).map(lambda total: (total / max(terms, 1)).float())


@contextmanager
def _watched(layers: Mapping[str, nn.Module], take: Callable[[str, Tensor, Tensor], None]) -> Iterator[None]:
    """Hand each layer's name, inputs and, in the backward pass, gradients of its outputs to `take`."""

    def watch(name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
        def on_output(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            x = inputs[0].detach()
            if output.requires_grad:
                output.register_hook(lambda d: take(name, x, d))

        return on_output

    with ExitStack() as hooks:
        for name, layer in layers.items():
            hooks.callback(layer.register_forward_hook(watch(name)).remove)
        yield
