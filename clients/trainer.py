"""Local training and prediction: short loops that know no method, no task and no Flower."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from clients.adapted_model import AdaptedModel
from clients.device import Precision, autocast, check_precision, peak_memory_bytes, reset_peak_memory
from clients.optimizers import build_optimizer, warmup_factor
from clients.penalty import Penalty
from clients.seeding import scoped_seed
from strategies.method import Projection
from strategies.rng import generator, stream_seed

Batch = dict[str, Any]
Collate = Callable[[list[Mapping[str, Any]]], Batch]
"""Pads a list of examples to the longest of them and stacks them into tensors."""
LossFn = Callable[[nn.Module, Batch], Tensor]
"""The mean loss of a batch, a scalar that can be differentiated."""
INITIAL_LOSS_SCALE = 2.0**12
"""Of float16 training. torch's own 2^16 overflows at first, and a round is too short to lose its first steps."""


@dataclass(frozen=True)
class TrainSettings:
    """The `train` section of the configuration."""

    optimizer: str = "adamw"
    learning_rate: float = 0.005
    head_learning_rate: float = 0.05
    weight_decay: float = 0.0
    momentum: float = 0.0
    warmup: float = 0.0
    """Share of the steps over which the learning rate rises."""
    max_grad_norm: float = 1.0
    """0 = no clipping."""
    epochs: int = 1
    max_steps: int = -1
    """Exactly so many steps, repeating or cutting the data; -1 = epochs decide."""
    batch_size: int = 16
    precision: Precision = "float32"
    """Other than float32: autocast."""


@dataclass(frozen=True)
class TrainReport:
    """What one client's local training was."""

    loss_first: float
    loss: float
    loss_last: float
    num_examples: int
    """Rows of the client's data, whether or not max_steps let it see them all."""
    steps: int
    tokens: int
    """Without padding, over all steps."""
    seconds: float
    tokens_per_second: float
    peak_memory_bytes: int
    """Of the device during training; on the CPU the largest resident size that the process ever had."""


def train(
    adapted: AdaptedModel,
    features: Sequence[Mapping[str, Any]],
    collate: Collate,
    loss_fn: LossFn,
    settings: TrainSettings,
    seed: int,
    device: torch.device,
    penalty: Penalty | None = None,
    projection: Projection | None = None,
) -> TrainReport:
    """Train everything that requires a gradient, in place, with a fresh optimizer.

    `penalty` is added to each batch's loss, but reported with none; the optimizer works in the adapters' `projection`.
    Batches and dropout depend on `seed` alone, so a client gets the same bits in any process and after any others.
    Raises ValueError for no data or an unavailable precision, FloatingPointError for a loss that is not finite.
    """
    if not features:
        raise ValueError("there are no training examples")
    check_precision(settings.precision, device)
    per_epoch = math.ceil(len(features) / settings.batch_size)
    num_steps = settings.max_steps if settings.max_steps > 0 else settings.epochs * per_epoch
    stepper = _Stepper(adapted, loss_fn, settings, device, penalty, projection)
    losses, tokens, start = [], 0, time.perf_counter()
    reset_peak_memory(device)
    adapted.model.train()
    with scoped_seed(stream_seed(seed, "dropout"), device):
        for step, rows in enumerate(islice(_batches(len(features), settings.batch_size, seed), num_steps)):
            batch = collate([features[row] for row in rows])
            tokens += _num_tokens(batch)
            losses.append(stepper.step(batch, step, warmup_factor(step, num_steps, settings.warmup)))
    adapted.model.eval()
    seconds = time.perf_counter() - start
    return TrainReport(
        loss_first=losses[0],
        loss=math.fsum(losses) / num_steps,
        loss_last=losses[-1],
        num_examples=len(features),
        steps=num_steps,
        tokens=tokens,
        seconds=seconds,
        tokens_per_second=tokens / seconds,
        peak_memory_bytes=peak_memory_bytes(device),
    )


@torch.inference_mode()
def evaluate(
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
    order = sorted(range(len(features)), key=lambda row: -len(features[row].get("input_ids", ())))
    results: list[Any] = [None] * len(features)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        batch = collate([features[row] for row in rows])
        with autocast(precision, device):
            predicted = predict_fn(model, _to_device(batch, device))
        predicted = predicted.cpu() if isinstance(predicted, Tensor) else predicted
        for row, result in zip(rows, predicted, strict=True):
            results[row] = result
    return results


class _Stepper:
    """One optimizer step at a time: forward, backward, clip, update."""

    def __init__(
        self,
        adapted: AdaptedModel,
        loss_fn: LossFn,
        settings: TrainSettings,
        device: torch.device,
        penalty: Penalty | None,
        projection: Projection | None,
    ):
        self.model, self.loss_fn, self.penalty = adapted.model, loss_fn, penalty
        self.settings, self.device = settings, device
        self.parameters = adapted.adapter_parameters() + adapted.head_parameters()
        self.optimizer = build_optimizer(
            settings.optimizer,
            adapted.adapter_parameters(),
            adapted.head_parameters(),
            settings.learning_rate,
            settings.head_learning_rate,
            settings.weight_decay,
            settings.momentum,
            projection,
        )
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        in_float16 = settings.precision == "float16" or adapted.model.dtype == torch.float16
        self.scaler = GradScaler(device.type, init_scale=INITIAL_LOSS_SCALE, enabled=in_float16)

    def step(self, batch: Batch, step: int, rate_factor: float) -> float:
        """The batch's loss before the update."""
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * rate_factor
        self.optimizer.zero_grad()
        with autocast(self.settings.precision, self.device):
            loss = self.loss_fn(self.model, _to_device(batch, self.device))
        self.scaler.scale(loss if self.penalty is None else loss + self.penalty()).backward()
        self.scaler.unscale_(self.optimizer)
        norm = get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        loss_value, norm_value = torch.stack([loss.detach().float(), norm.float()]).tolist()
        # With loss scaling an infinite gradient only means that the scaler skips this step and lowers its scale.
        if not math.isfinite(loss_value) or not (math.isfinite(norm_value) or self.scaler.is_enabled()):
            raise FloatingPointError(
                f"step {step}: loss {loss_value}, gradient norm {norm_value}; lower train.learning-rate "
                "(or train.head-learning-rate, strategy.florg.initial-std), or use train.precision = 'float32'"
            )
        if self.settings.max_grad_norm > 0:
            clip_grads_with_norm_(self.parameters, self.settings.max_grad_norm, norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss_value


def _batches(num_examples: int, batch_size: int, seed: int) -> Iterator[list[int]]:
    """Row numbers of one batch after another, epoch after epoch without end; each epoch in an order of its own."""
    for epoch in count():
        order = generator(seed, "batches", epoch).permutation(num_examples).tolist()
        for start in range(0, num_examples, batch_size):
            yield order[start : start + batch_size]


def _to_device(batch: Batch, device: torch.device) -> Batch:
    return {
        key: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value for key, value in batch.items()
    }


def _num_tokens(batch: Batch) -> int:
    """Tokens of a batch that are not padding; 0 where it holds none (images)."""
    if "attention_mask" in batch:
        return int(batch["attention_mask"].sum())
    return batch["input_ids"].numel() if "input_ids" in batch else 0
