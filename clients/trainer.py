"""Local training: a short loop that knows no method, no task and no Flower."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch.optim import Optimizer

from clients.adapted_model import AdaptedModel
from clients.batches import Collate, batches, in_parts, num_tokens, token_lengths
from clients.device import check_precision, peak_memory_bytes, reset_peak_memory
from clients.gradient_checkpointing import with_gradient_checkpointing
from clients.optimizers import optimizer_for, warmup_factor
from clients.penalty import Penalty
from clients.seeding import scoped_seed
from clients.stepper import LossFn, Stepper
from clients.train_settings import TrainOptions
from strategies.rng import stream_seed


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


def local_train(
    adapted: AdaptedModel,
    features: Sequence[Mapping[str, Any]],
    collate: Collate,
    loss_fn: LossFn,
    settings: TrainOptions,
    seed: int,
    device: torch.device,
    penalty: Penalty | None = None,
    optimizer: Optimizer | None = None,
) -> TrainReport:
    """Train everything that requires a gradient, in place, with this optimizer of it or a fresh one.

    `penalty` is added to each batch's loss, but reported with none.
    Batches and dropout depend on `seed` alone, so a client gets the same bits in any process and after any others.
    Raises ValueError for no data or an unavailable precision, FloatingPointError for a loss that is not finite.
    """
    if not features:
        raise ValueError("there are no training examples")
    check_precision(settings.precision, device)
    per_epoch = math.ceil(len(features) / settings.batch_size)
    num_steps = settings.max_steps if settings.max_steps > 0 else settings.epochs * per_epoch
    optimizer = optimizer or optimizer_for(adapted, settings)
    stepper = Stepper(adapted, loss_fn, settings, device, optimizer, penalty)
    order = batches(token_lengths(features), settings.batch_size, seed, settings.group_by_length)
    losses, tokens, start = [], 0, time.perf_counter()
    reset_peak_memory(device)
    adapted.model.train()
    recompute = with_gradient_checkpointing(adapted.model, settings.gradient_checkpointing)
    with recompute, scoped_seed(stream_seed(seed, "dropout"), device):
        for step, rows in enumerate(islice(order, num_steps)):
            parts = [collate([features[row] for row in part]) for part in in_parts(rows, settings.micro_batch_size)]
            tokens += sum(map(num_tokens, parts))
            losses.append(stepper.step(parts, step, warmup_factor(step, num_steps, settings.warmup)))
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
