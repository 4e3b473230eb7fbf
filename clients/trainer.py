"""Local training: a short loop that knows no method, no task and no Flower."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from torch import nn
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
    options: TrainOptions,
    *,
    collate: Collate,
    loss_fn: LossFn,
    seed: int,
    penalty: Penalty | None = None,
    optimizer: Optimizer | None = None,
) -> TrainReport:
    """Train everything that requires a gradient, in place, on the device where the model is.

    Batches and dropout depend on `seed` alone, so a client gets the same bits in any process and after any others.

    Args:
        adapted: the model with its adapters.
        features: the client's tokenised rows, each a mapping from the model's inputs to token lists or tensors.
        options: how it trains; steps, rates, precision.
        collate: makes a batch of some rows.
        loss_fn: (model, batch) -> the mean loss of the batch, a scalar.
        seed: of the order of rows and of dropout.
        penalty: a term that is added to each batch's loss, but reported with none.
        optimizer: of all that is trained; a fresh one where it is not given.

    Raises:
        ValueError: for no data or a precision that the device does not have.
        FloatingPointError: for a loss that is not finite.
    """
    if not features:
        raise ValueError("there are no training examples")
    device = adapted.model.device
    check_precision(options.precision, device)
    per_epoch = math.ceil(len(features) / options.batch_size)
    num_steps = options.max_steps if options.max_steps > 0 else options.epochs * per_epoch
    optimizer = optimizer or optimizer_for(adapted, options)
    stepper = Stepper(adapted, loss_fn, options, device, optimizer, penalty)
    order = batches(token_lengths(features), options.batch_size, seed, options.group_by_length)
    losses, tokens, start = [], 0, time.perf_counter()
    reset_peak_memory(device)
    _train_mode(adapted.model)
    recompute = with_gradient_checkpointing(adapted.model, options.gradient_checkpointing)
    with recompute, scoped_seed(stream_seed(seed, "dropout"), device):
        for step, rows in enumerate(islice(order, num_steps)):
            parts = [collate([features[row] for row in part]) for part in in_parts(rows, options.micro_batch_size)]
            tokens += sum(map(num_tokens, parts))
            losses.append(stepper.step(parts, step, warmup_factor(step, num_steps, options.warmup)))
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


def _train_mode(model: nn.Module) -> None:
    """Dropout as in training. Frozen layers that count means of their inputs (batch norm) count no more.

    Those counts would be the client's last batches, in a model that others train too, and travel with nothing.
    """
    model.train()
    for module in model.modules():
        if getattr(module, "track_running_stats", False):
            module.eval()
