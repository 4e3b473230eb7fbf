"""A client's side of a run that nobody has started: its model, and what a training step costs by size of the batch."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from clients.adapted_model import AdaptedModel
from clients.backbone import CPU
from clients.batches import Batch
from clients.gradient_checkpointing import with_gradient_checkpointing
from clients.optimizers import optimizer_for
from clients.penalty import penalty_of
from clients.stepper import LossFn, Stepper
from clients.train_settings import TrainOptions
from florg_app.plan.without_numbers import LiveBytes, bytes_within
from strategies.flops import counter
from strategies.manifest import Manifest, fresh_state
from strategies.method import Method
from strategies.state import State


@dataclass(frozen=True)
class StepCost:
    """One step with a batch in one part."""

    flops: int
    """Of forward and backward pass."""
    first_update: int
    """FLOPs of the optimizer's first step, in which it may decompose gradients."""
    later_update: int
    bytes: int
    """The most that a step needs beside the model, its adapters and their bases: what is kept for the backward pass,
    gradients, and the optimizer's moments."""


class PlannedClient:
    """A client's adapted model of no numbers, and what its steps cost."""

    def __init__(
        self,
        adapted: AdaptedModel,
        method: Method,
        manifest: Manifest,
        options: TrainOptions,
        loss: LossFn,
        live: LiveBytes,
    ) -> None:
        self._adapted, self._method, self._manifest = adapted, method, manifest
        self._options, self._loss, self._live = options, loss, live

    def roles_in(self, t: int) -> tuple[tuple[str, str], ...]:
        """What of the adapters is trained and sent in round t."""
        return tuple(self._method.plan_at(t).roles.items())

    @property
    def trained_numbers(self) -> int:
        """Of the adapters and the head as they are now."""
        return self._adapted.num_trainable

    @property
    def adapter_bytes(self) -> int:
        """Of the adapters' symbols as they are now."""
        return bytes_within(self._adapted.symbols)

    @property
    def steps_between_projectors(self) -> int | None:
        """After how many steps the optimizer decomposes gradients again; None: it does not."""
        projection = self._method.projection()
        return None if projection is None else projection.gap

    def fill(self, state: State, t: int) -> None:
        """Give the adapters the sizes that they have in round t, which begins with `state` on this client."""
        own = self._manifest.server_only
        self._adapted.assume(self._method.plan_at(t))
        self._adapted.fill(state.select(key for key in state.flat if key not in own))
        self._adapted.refresh(fresh_state(self._method, self._manifest, t))

    def step(self, batch: Mapping[str, object]) -> StepCost:
        """Go through two steps with this batch: an optimizer makes its moments in the first."""
        model = self._adapted.model
        part: Batch = {name: torch.empty_like(v) if isinstance(v, Tensor) else v for name, v in batch.items()}
        flops, updates = 0, []
        with self._live.rise() as held:
            optimizer = optimizer_for(self._adapted, self._options, self._method.projection())
            penalty = penalty_of(self._method, self._adapted, self._manifest.rank)
            stepper = Stepper(self._adapted, self._loss, self._options, CPU, optimizer, penalty)
            stepper.scaler = GradScaler("cpu", enabled=False)  # without numbers no gradient is finite
            model.train()
            with with_gradient_checkpointing(model, self._options.gradient_checkpointing):
                for _ in range(2):
                    optimizer.zero_grad()
                    with counter() as passes:
                        stepper.backward([part])
                    with counter() as update:
                        clip_grads_with_norm_(stepper.parameters, 1.0, _norm(stepper))
                        optimizer.step()
                    flops = int(passes.get_total_flops())
                    updates.append(int(update.get_total_flops()))
            optimizer.zero_grad()
            model.eval()
        return StepCost(flops, updates[0], updates[1], held[0])


def _norm(stepper: Stepper) -> Tensor:
    return get_total_norm([parameter.grad for parameter in stepper.parameters if parameter.grad is not None])
