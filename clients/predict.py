"""Prediction: what a model says about each example, in batches of similar length."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from clients.adapted_model import AdaptedModel
from clients.batches import Batch, Collate, to_device, token_lengths
from clients.device import Precision, autocast, check_precision


@torch.inference_mode()
def predict(
    adapted: AdaptedModel | nn.Module,
    features: Sequence[Mapping[str, Any]],
    collate: Collate,
    predict_fn: Callable[[nn.Module, Batch], Iterable[Any]],
    batch_size: int,
    device: torch.device,
    precision: Precision = "float32",
) -> list[Any]:
    """What `predict_fn` gives for each example, in the order of `features`; tensors row by row, on the CPU.

    predict_fn receives a batch on the device and returns one result per example. Batches hold examples of similar
    length, the longest first, so that little is padding and a lack of memory shows at once.
    """
    check_precision(precision, device)
    model = adapted.model if isinstance(adapted, AdaptedModel) else adapted
    model.eval()
    order = sorted(range(len(features)), key=token_lengths(features).__getitem__, reverse=True)
    results: list[Any] = [None] * len(features)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        batch = collate([features[row] for row in rows])
        with autocast(precision, device):
            predicted = predict_fn(model, to_device(batch, device))
        predicted = predicted.cpu() if isinstance(predicted, Tensor) else predicted
        for row, result in zip(rows, predicted, strict=True):
            results[row] = result
    return results
