"""Which points are tried: all of a grid, or one after the other by what the earlier ones scored (TPE, by optuna)."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from florg_app.compare.matrix.matrix import MatrixError, NumberSpan, Point, Tune
from florg_app.compare.run.tuning_choice import Tried
from florg_app.reports.summary import LOWER_IS_BETTER

STARTUP_SHARE = 3
"""One in so many trials is drawn at random before the scores have a say, two at least; the same for every method."""

_DIGITS = 4
"""Significant digits of a tried number: more would name a point that nobody can type."""

ScoreLookup = Callable[[Point], Tried | None]
"""What a point scored; None while any of its runs is missing."""


def check_search(tune: Tune) -> None:
    """Raise MatrixError where the search needs a program that is not installed."""
    if tune.search == "tpe" and find_spec("optuna") is None:
        raise MatrixError("tune.search = \"tpe\" needs optuna, which is not installed: pip install '.[tune]'")


def tried_points(tune: Tune, metric: str, look: ScoreLookup) -> tuple[list[Tried], list[Point]]:
    """What was tried so far, in order, and the points to run next; none are left where all has been tried.

    A search by TPE is played again from its beginning with what is known, with a sampler of the first tuning seed: so
    it goes on where it stopped, and every method begins at the same points.
    """
    if tune.search == "grid":
        seen = {number: look(point) for number, point in enumerate(tune.points())}
        missing = [point for number, point in enumerate(tune.points()) if seen[number] is None]
        return [tried for tried in seen.values() if tried is not None], missing
    return _tpe(tune, metric, look)


def _tpe(tune: Tune, metric: str, look: ScoreLookup) -> tuple[list[Tried], list[Point]]:
    import optuna  # pyright: ignore[reportMissingImports]

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    startup = max(2, tune.num_trials // STARTUP_SHARE)
    sampler = optuna.samplers.TPESampler(seed=tune.seeds[0], n_startup_trials=startup)
    study = optuna.create_study(direction="minimize" if metric in LOWER_IS_BETTER else "maximize", sampler=sampler)
    tried: list[Tried] = []
    for _ in range(tune.num_trials):
        trial = study.ask()
        point = {key: _suggested(trial, key, span) for key, span in tune.space.items()}
        found = look(point)
        if found is None:
            return tried, [point]
        tried.append(found)
        failed = optuna.trial.TrialState.FAIL
        study.tell(trial, found.mean, state=failed if found.mean is None else None)
    return tried, []


def _suggested(trial: Any, key: str, span: NumberSpan | tuple[Any, ...]) -> Any:
    if isinstance(span, tuple):
        return trial.suggest_categorical(key, span)
    if isinstance(span.low, int) and isinstance(span.high, int):
        return trial.suggest_int(key, span.low, span.high, log=span.log)
    return float(f"{trial.suggest_float(key, span.low, span.high, log=span.log):.{_DIGITS}g}")
