"""The account of a run: a progress line and a JSON line per round; a summary, a table and a plot at its end."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from clients.atomic_files import write_atomically
from florg_app.reports import summary
from florg_app.reports.hardware import processors
from florg_app.reports.history import HISTORY, rescue_history
from florg_app.reports.history_file import HistoryFile
from florg_app.reports.json_text import json_document, strict

PREFIX = "florg | "
"""What every line of this report begins with in Flower's log, so that people and `florg run` find them."""

FAILED_LINE, RESULTS_LINE = "the run has failed: ", "results are in "
"""Beginnings of such lines: of each line of the reason of a foreseen end, and of the one that names the folder."""

SUMMARY, CURVES = "summary.json", "curves.png"

_log = logging.getLogger("flwr")  # Flower streams what its own logger says to `flwr log`


def note(text: str, level: int = logging.INFO) -> None:
    """Say something to the person who watches the run; each line of `text` becomes a line of the log."""
    for line in text.splitlines():
        _log.log(level, "%s%s", PREFIX, line.rstrip())


class Report:
    """Writes history.jsonl, summary.json and curves.png into `output_dir`, and speaks through Flower's logger.

    `settings` are the run's settings with flat keys ("strategy.name"). With `resume_round` t the records of rounds
    0..t of an earlier part of the same run are kept and later ones dropped; `resumed` says from where it goes on, each
    time, and `seconds` how long it had taken.

    A disk that fails does not end the run: lines that could not be written are written with the next ones.

    Raises ValueError where the folder cannot be written, or already holds a run that is not being resumed.
    """

    def __init__(
        self,
        output_dir: Path,
        settings: Mapping[str, Any],
        resume_round: int | None = None,
        resumed: Sequence[Mapping[str, Any]] = (),
        seconds: float = 0.0,
    ):
        self.output_dir = output_dir.absolute()
        self.settings = dict(settings)
        self._num_rounds = int(settings["num-server-rounds"])
        self._started = time.monotonic() - seconds
        self._resumed = [dict(resume) for resume in resumed]
        self._history = self._open(resume_round)

    @property
    def records(self) -> Sequence[Mapping[str, Any]]:
        """Of all rounds so far, those before a run was resumed included."""
        return self._history.records

    @property
    def seconds(self) -> float:
        """Since the run began, time between its parts not counted."""
        return time.monotonic() - self._started

    def _open(self, resume_round: int | None) -> HistoryFile:
        try:
            self.output_dir.mkdir(parents=True, exist_ok=True)
            if not os.access(self.output_dir, os.W_OK | os.X_OK):
                raise PermissionError("no permission to write there")
            records, damage = rescue_history(self.output_dir, self.output_dir)
            for text in damage:
                note(text, logging.WARNING)
            if records and resume_round is None:
                raise ValueError(
                    f"output-dir {self.output_dir} already holds a run; choose another, or resume that one"
                )
            return HistoryFile(
                self.output_dir / HISTORY, [record for record in records if record["round"] <= (resume_round or 0)]
            )
        except OSError as error:
            raise ValueError(f"output-dir {self.output_dir} cannot be written: {error}; choose another") from error

    def round(self, record: Mapping[str, Any]) -> None:
        """Append the record of one round to history.jsonl and log its progress line.

        `record` is what `RoundRecord.as_dict()` gives; round 0 holds the evaluation before training.
        """
        clean = strict(record)
        try:
            self._history.append(clean)
        except OSError as error:
            note(f"{HISTORY} could not be written: {error}; its lines wait for the next round", logging.ERROR)
        first, *details = summary.progress_line(clean, self._num_rounds)
        note(first)
        for detail in details:
            note(detail, logging.WARNING)

    def finish(
        self,
        status: Literal["completed", "failed", "stopped"],
        reason: str = "",
        paths: Mapping[str, Path | str] | None = None,
    ) -> None:
        """Write summary.json and curves.png, log the final table; `paths` names further results ("adapter": ...).

        Totals include the rounds before a run was resumed. Raises OSError.
        """
        self._history.flush()
        results = {"history": HISTORY, "curves": CURVES, **(paths or {})}
        document = {
            "status": status,
            "reason": reason,
            "resumed": self._resumed,
            **summary.summarise_run(self._history.records, self._num_rounds),
            "settings": self.settings,
            "versions": summary.package_versions(),
            "hardware": processors(),
            "paths": {name: self.output_dir / path for name, path in results.items()},
        }
        document["seconds"]["total"] = self.seconds
        clean = strict(document)
        write_atomically(self.output_dir / SUMMARY, lambda path: path.write_bytes(json_document(clean)))
        self._draw()
        note(summary.summary_table(clean))
        note(f"{RESULTS_LINE}{self.output_dir}")

    def _draw(self) -> None:
        # Here and not above: matplotlib takes a second to import, and `florg show` needs this module without it.
        from florg_app.reports.curves import draw_curves

        title = f"{self.settings.get('strategy.name', '')} on {self.settings.get('task.name', '')}"
        write_atomically(self.output_dir / CURVES, lambda path: draw_curves(self._history.records, path, title))
