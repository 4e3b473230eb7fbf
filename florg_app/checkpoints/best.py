"""The state of a run's best round, kept beside its newest checkpoints."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from florg_app.checkpoints.checkpoint_file import read_checkpoint_header, save_checkpoint
from florg_app.config.best_settings import OWN_SCORES
from florg_app.reports.best_round import ScoredState, best_state
from florg_app.reports.report import note
from strategies.state import State

BEST_FILE = "best.safetensors"
"""Its name in the folder of a run."""

StateAndHeader = tuple[State, Mapping[str, str]]


def round_of_best(folder: Path) -> int | None:
    """Return the round that a folder's best checkpoint says it is of; None where there is none, or it is damaged."""
    try:
        return int(read_checkpoint_header(folder / BEST_FILE)["round"])
    except (ValueError, KeyError):
        return None


class BestKeeper:
    """Writes BEST_FILE in `folder` after each round that is the best so far by `metric`; none for the empty metric.

    A write that fails is reported and tried again after the next round.
    """

    def __init__(self, folder: Path, metric: str, begun: int, records: Sequence[Mapping[str, Any]]) -> None:
        """`records` are those up to round `begun`, with which this process begins."""
        self._folder, self._metric, self._own = folder, metric, metric.startswith(OWN_SCORES)
        self._best: ScoredState | None = best_state(records, metric) if metric else None
        self._before: StateAndHeader | None = None
        self._unwritten: StateAndHeader | None = None
        if self._best is not None and begun and round_of_best(folder) != self._best.t:
            note(
                f"{BEST_FILE} of round {self._best.t}, the best by {metric} so far, is not there; it is written again "
                "once a round is better",
                logging.WARNING,
            )

    def begin(self, state: State, header: Mapping[str, str]) -> None:
        """Take note of the state before the next round, which clients may score."""
        self._before = (state, header) if self._own else None

    def after_round(self, records: Sequence[Mapping[str, Any]], state: State, header: Mapping[str, str]) -> None:
        """Look at the newest of `records`; `state` is what its round led to."""
        if not self._metric:
            return
        found = best_state(records, self._metric)
        if found is not None and found != self._best:
            self._best = found
            self._unwritten = self._before if self._own else (state, header)
        self.begin(state, header)
        self.flush()

    def flush(self) -> None:
        """Write what is not on the disk yet, or say that it could not be written."""
        if self._unwritten is None:
            return
        try:
            save_checkpoint(self._folder / BEST_FILE, *self._unwritten)
        except OSError as error:
            note(f"{BEST_FILE} could not be written: {error}; it is tried again after the next round", logging.ERROR)
        else:
            self._unwritten = None
