"""One optimizer step at a time: forward, backward, clip, update."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer

from clients.adapted_model import AdaptedModel
from clients.batches import Batch, num_terms, to_device
from clients.device import autocast
from clients.penalty import Penalty
from clients.train_settings import TrainOptions

LossFn = Callable[[nn.Module, Batch], Tensor]
"""The mean loss of a batch over its `lengths.num_terms`, a scalar that can be differentiated."""
INITIAL_LOSS_SCALE = 2.0**12
"""Of float16 training. torch's own 2^16 overflows at first, and a round is too short to lose its first steps."""


class Stepper:
    """Steps of one round's training; the loss scale of float16 begins anew with it."""

    def __init__(
        self,
        adapted: AdaptedModel,
        loss_fn: LossFn,
        settings: TrainOptions,
        device: torch.device,
        optimizer: Optimizer,
        penalty: Penalty | None,
    ):
        self.model, self.loss_fn, self.penalty = adapted.model, loss_fn, penalty
        self.settings, self.device = settings, device
        self.parameters = adapted.adapter_parameters() + adapted.head_parameters()
        self.optimizer = optimizer
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        in_float16 = settings.precision == "float16" or adapted.model.dtype == torch.float16
        self.scaler = GradScaler(device.type, init_scale=INITIAL_LOSS_SCALE, enabled=in_float16)

    def step(self, parts: Sequence[Batch], step: int, rate_factor: float) -> float:
        """One update by a batch that may come in parts; its mean loss before.

        Each part counts by its terms, so that sums over parts are those of the batch.
        """
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * rate_factor
        self.optimizer.zero_grad()
        loss = self.backward(parts)
        self.scaler.unscale_(self.optimizer)
        norm = get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        loss_value, norm_value = torch.stack([loss, norm.float()]).tolist()
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

    def backward(self, parts: Sequence[Batch]) -> Tensor:
        """The mean loss of all parts, float32; its gradient and that of the penalty are added to the parameters'."""
        terms = [num_terms(part) for part in parts]
        losses = []
        for number, part in enumerate(parts):
            with autocast(self.settings.precision, self.device):
                loss = self.loss_fn(self.model, to_device(part, self.device))
            loss = loss * (terms[number] / sum(terms)) if len(parts) > 1 else loss
            losses.append(loss.detach().float())
            last = number == len(parts) - 1
            self.scaler.scale(loss + self.penalty() if self.penalty is not None and last else loss).backward()
        return torch.stack(losses).sum()
