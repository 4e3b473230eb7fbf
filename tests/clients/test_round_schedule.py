"""The learning rates over the rounds are transformers' schedules, with no round at rate 0."""

from typing import get_args

import pytest
import torch
from torch.optim import SGD
from transformers import get_scheduler

from clients.round_schedule import round_factor
from florg_app.config.parse import ConfigError, parse_settings
from florg_app.config.round_options import train_options
from florg_app.config.train_settings import Schedule
from tests.florg_app.test_app import history, run, same_bits

NAMES = get_args(Schedule)
ROUNDS = 7


def rates_of_transformers(name, warmup, steps):
    """The rates of an optimizer of rate 1 at all steps, as transformers' scheduler sets them one after another."""
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


@pytest.mark.parametrize("warmup", [0, 2])
@pytest.mark.parametrize("name", NAMES)
def test_rounds_have_the_rates_that_transformers_sets_step_by_step(name, warmup):
    factors = [round_factor(name, t, ROUNDS, warmup) for t in range(1, ROUNDS + 1)]
    if warmup:
        assert factors == rates_of_transformers(name, warmup, ROUNDS + 1)[1:]
    else:
        assert factors == rates_of_transformers(name, warmup, ROUNDS)
    assert min(factors) > 0
    assert max(factors) == 1.0


def test_the_default_leaves_the_rates_as_they_are_to_the_bit():
    settings = parse_settings({"train.learning-rate": 0.0123, "train.head-learning-rate": 0.0457})
    for t in (1, 5, 10):
        options = train_options(settings, t)
        assert (options.learning_rate, options.head_learning_rate) == (0.0123, 0.0457)


def test_both_rates_follow_the_schedule():
    settings = parse_settings(
        {"train.schedule": "linear", "train.learning-rate": 0.4, "train.head-learning-rate": -1.0}
    )
    options = train_options(settings, 6)
    assert options.learning_rate == options.head_learning_rate == 0.2


def test_a_schedule_changes_the_rounds_after_the_first_alone(tmp_path):
    rounds = {"num-server-rounds": 2, "train.optimizer": "sgd"}
    plain, linear = (
        run(tmp_path / name, **rounds, **{"train.schedule": name, "strategy.name": "fedit"})
        for name in ("constant", "linear")
    )
    losses = [[record["train"].get("loss") for record in history(folder)[1:]] for folder in (plain, linear)]
    assert losses[0][0] == losses[1][0]
    assert losses[0][1] != losses[1][1]
    assert not same_bits(plain, linear)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"train.warmup-rounds": 2}, r'train\.warmup-rounds = 2 has no effect .*"constant_with_warmup"'),
        ({"train.schedule": "cosine", "train.warmup-rounds": 10}, r"= 10 leaves no round .* num-server-rounds = 10"),
        ({"train.schedule": "inverse_sqrt"}, r"train\.warmup-rounds = 0 is impossible .* 1 or more"),
        ({"train.schedule": "step"}, r"train\.schedule = \"step\": expected .*linear \| cosine"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_next_move(config, words):
    with pytest.raises(ConfigError, match=words):
        parse_settings(config)
