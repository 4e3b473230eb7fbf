"""How a client trains, as data."""

from dataclasses import dataclass

from clients.device import Precision


@dataclass(frozen=True)
class TrainOptions:
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
    micro_batch_size: int = -1
    """Examples at a time, whose gradients add up to that of the batch; -1 = all of it."""
    gradient_checkpointing: bool = False
    """Keep only what enters each block of the model and compute the rest again: less memory, more time."""
    group_by_length: bool = False
    """Batches of rows of similar length: less padding, less mixed."""
    precision: Precision = "float32"
    """Other than float32: autocast."""
