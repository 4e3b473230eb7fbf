"""The optimizers of local training behind one function, with learning rates of their own for adapters and head."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from clients.adapted_model import AdaptedModel
from clients.galore import GaLore
from clients.train_settings import TrainOptions
from strategies.projection import Projection

OPTIMIZERS: Mapping[str, Callable[..., Optimizer]] = {"adamw": AdamW, "sgd": SGD}
"""By the value of `train.optimizer`."""


def optimizer_for(adapted: AdaptedModel, options: TrainOptions, projection: Projection | None = None) -> Optimizer:
    """A fresh optimizer of everything that is trained, its parameters in the order of `adapted.trained`."""
    return build_optimizer(
        options.optimizer,
        adapted.adapter_parameters(),
        adapted.head_parameters(),
        options.learning_rate,
        options.head_learning_rate,
        options.weight_decay,
        options.momentum,
        projection,
    )


def build_optimizer(
    name: str,
    adapter: Sequence[Tensor],
    head: Sequence[Tensor],
    learning_rate: float,
    head_learning_rate: float,
    weight_decay: float,
    momentum: float,
    projection: Projection | None = None,
) -> Optimizer:
    """A fresh optimizer with one parameter group for the adapters and one for the head; empty ones are left out.

    momentum is SGD's; AdamW has its usual (0.9, 0.999). Raises ValueError for an unknown name.
    With a projection the adapters' steps are GaLore's.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"train.optimizer = {name!r}; known are {', '.join(OPTIMIZERS)}")
    build = partial(OPTIMIZERS[name], momentum=momentum) if name == "sgd" else OPTIMIZERS[name]
    groups = [{"params": list(adapter), "lr": learning_rate}, {"params": list(head), "lr": head_learning_rate}]
    if projection is not None:
        groups = [{**group, "weight_decay": weight_decay} for group in groups]
        groups[0]["project"] = True
        return GaLore([group for group in groups if group["params"]], build, projection)
    return build([group for group in groups if group["params"]], weight_decay=weight_decay)


def warmup_factor(step: int, num_steps: int, share: float) -> float:
    """The learning rate's factor at a step (from 0): linear from 1/w to 1 over the first w = ceil(share num_steps)."""
    warmup_steps = math.ceil(share * num_steps)
    return min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
