"""Settings of a client's training."""

from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import model_validator

from florg_app.config.flat import Unset
from florg_app.config.section import Count, DType, NonNegative, Number, Positive, Section, Share

Schedule = Literal["constant", "constant_with_warmup", "linear", "cosine", "polynomial", "inverse_sqrt"]


class TrainSettings(Section, frozen=True):
    optimizer: Literal["adamw", "sgd"] = "adamw"
    optimizer_state: Literal["reset", "keep"] = "reset"
    """Whether each round begins with a fresh optimizer or each client goes on with its own of its last round: moments,
    step counts, GaLore's projectors. They stay in the coordinates of the factors that the client trained then."""
    learning_rate: Positive = 0.005
    head_learning_rate: Annotated[Positive | None, Unset(-1.0, "train.learning-rate")] = 0.05
    weight_decay: NonNegative = 0.0
    momentum: Share = 0.0
    warmup: Annotated[float, Ge(0), Le(1)] = 0.0
    """Share of the round's steps."""
    schedule: Schedule = "constant"
    """Of the learning rates from round to round, by transformers' names."""
    warmup_rounds: Count = 0
    """Over which the schedule rises, from 1/w to 1."""
    max_grad_norm: NonNegative = 1.0
    """0 = no clipping."""
    epochs: Number = 1
    max_steps: Annotated[Number | None, Unset(-1, "train.epochs decide")] = None
    """Optimizer steps of a round."""
    batch_size: Number = 16
    micro_batch_size: Annotated[Number | None, Unset(-1, "batch-size")] = None
    """Examples at a time, whose gradients add up to that of the batch: less memory, the same steps."""
    gradient_checkpointing: bool = False
    """Keep only what enters each block of the model and compute the rest again: less memory, more time."""
    group_by_length: bool = False
    """Batches of rows of similar length: less padding, less mixed."""
    precision: DType = "float32"
    """Of the autocast, where the device has it."""

    @model_validator(mode="after")
    def _momentum_needs_sgd(self) -> "TrainSettings":
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(
                f'train.momentum = {self.momentum} has no effect with train.optimizer = "{self.optimizer}"; '
                'set it to 0.0, or train.optimizer = "sgd"'
            )
        return self

    @model_validator(mode="after")
    def _parts_are_smaller(self) -> "TrainSettings":
        if self.micro_batch_size is not None and self.micro_batch_size > self.batch_size:
            raise ValueError(
                f"train.micro-batch-size = {self.micro_batch_size} is more than train.batch-size = {self.batch_size}, "
                "whose parts it makes; lower it, or set it to -1"
            )
        return self
