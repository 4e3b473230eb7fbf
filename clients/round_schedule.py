"""The learning rates' course over the rounds of a run, by transformers' own schedules."""

import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR


def round_factor(name: str, t: int, num_rounds: int, warmup_rounds: int) -> float:
    """Return what the learning rates of round t are multiplied by: a step of transformers' schedules is a round.

    Without warm-up round t is step t - 1, so that round 1 has the full rate. With it round t is step t of one step
    more: the rates rise from 1/w in round 1 to 1 in round w. Step 0, whose rate is 0, would be a round for nothing.

    Args:
        name: one of `transformers.get_scheduler`'s that needs nothing else.
        t: the round, from 1.
        num_rounds: of the run.
        warmup_rounds: w, below num_rounds.

    Example:
        >>> [round_factor("linear", t, 4, 0) for t in (1, 2, 3, 4)]
        [1.0, 0.75, 0.5, 0.25]
        >>> [round_factor("constant_with_warmup", t, 4, 2) for t in (1, 2, 3, 4)]
        [0.5, 1.0, 1.0, 1.0]
    """
    if name == "constant":
        return 1.0
    from transformers import get_scheduler  # imports the trainer and peft, which a client with constant rates needs not

    first = 1 if warmup_rounds else 0
    schedule = get_scheduler(
        name, SGD([torch.zeros(1)], lr=1.0), num_warmup_steps=warmup_rounds, num_training_steps=num_rounds + first
    )
    assert isinstance(schedule, LambdaLR)
    return float(schedule.lr_lambdas[0](t - 1 + first))
