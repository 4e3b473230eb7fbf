"""How a run ends: after all its rounds, early, or with nothing to show for them."""

from collections.abc import Mapping, Sequence
from typing import Any

from flwr.serverapp.exception import AggregationError

from florg_app.checkpoints.manager import NotSavedError
from florg_app.config.settings import Settings
from florg_app.reports.best_round import early_stop
from florg_app.reports.counted import nothing_counted
from florg_app.server_side.simulated_grid import DeadActorError


class NothingCountedError(RuntimeError):
    """The run has had all its rounds, and none of them changed the model."""


FORESEEN = (ValueError, TimeoutError, AggregationError, NotSavedError, NothingCountedError, DeadActorError)
"""Ends of a run that its message explains; where Python was in the program says nothing more."""


def require_counted(records: Sequence[Mapping[str, Any]], begun: int) -> None:
    """Raise NothingCountedError where no round counted; `begun` is the round that the run was gone on with."""
    done = max([begun, *(record["round"] for record in records)])
    if nothing := nothing_counted(records, done):
        raise NothingCountedError(nothing)


def early_end(records: Sequence[Mapping[str, Any]], settings: Settings) -> str:
    """Say why a run with these settings ends here; empty where it goes on."""
    return early_stop(records, settings.checkpoint.best, settings.stop.patience, settings.stop.min_delta)
