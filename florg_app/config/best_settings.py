"""Settings of what a run keeps of its best round and when it ends early, and what must go with them."""

from typing import Annotated

from florg_app.config.flat import Words
from florg_app.config.section import Count, NonNegative, Section
from strategies.method import Method

OWN_SCORES = "own-"
"""Beginning of the names of scores that clients give to their own models."""

Metric = Annotated[str, Words('"" (none) | a score of the rounds, such as accuracy, loss or own-accuracy')]


class StopSettings(Section, frozen=True):
    patience: Count = 0
    """Scored rounds in a row without a better checkpoint.best that end the run; 0 = never."""
    min_delta: NonNegative = 0.0
    """By so much a score has to be better to count as better."""


def check_best(best: str, stop: StopSettings, every: int, on_clients: bool, method: Method) -> None:
    """Raise ValueError where no round would have the score that is asked for, or a setting would do nothing.

    best: checkpoint.best; every and on_clients: of `evaluate`.
    """
    if not best and stop.patience:
        raise ValueError(
            f"stop.patience = {stop.patience} looks at the score that checkpoint.best names, and that is empty; set "
            'checkpoint.best, for example to "loss", or stop.patience = 0'
        )
    if stop.min_delta and not stop.patience:
        raise ValueError(
            f"stop.min-delta = {stop.min_delta} is read with stop.patience alone; set that above 0, or remove it"
        )
    if not best:
        return
    given = f'checkpoint.best = "{best}"'
    if best.startswith(OWN_SCORES):
        if not on_clients:
            raise ValueError(f"{given} is a score of the clients; set evaluate.on-clients = true, or choose another")
        return
    if not method.plan.has_global_model:
        raise ValueError(
            f'{given} is a score of the server, which has no model of strategy.name = "{method.name}"; set '
            f'evaluate.on-clients = true and checkpoint.best = "{OWN_SCORES}{best}"'
        )
    if every == 0:
        raise ValueError(f"{given} is a score of the server, and evaluate.every = 0; set that to 1")
