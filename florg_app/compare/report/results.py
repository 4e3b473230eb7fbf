"""What the cells of a comparison measured: matrix.json and the histories of its runs as plain records."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from florg_app.compare.run.disk import MATRIX
from florg_app.reports.history import read_whole_history
from florg_app.reports.json_text import read_json_object
from florg_app.reports.report import SUMMARY
from florg_app.reports.summary import LOWER_IS_BETTER, Record
from florg_app.reports.weights import largest_share
from strategies.exchange.traffic import Traffic

FINISHED, FAILED = "finished", "failed"
VALIDATION, HELD_OUT = "validation", "held-out"
"""Whose rows a score is of: the task's validation rows, or those that each client held back."""


@dataclass(frozen=True)
class ScoredRound:
    """Round t, with the score of the model after it."""

    t: int
    score: float | None
    """None where nobody scored this model."""
    up: Traffic
    down: Traffic
    seconds: Mapping[str, float]
    skipped: bool
    rejected: int


@dataclass(frozen=True)
class CellResult:
    """One run of the matrix; without a usable result it has no rounds and says why."""

    variant: str
    label: str
    seed: int
    status: str
    reason: str
    settings: Mapping[str, Any]
    rounds: tuple[ScoredRound, ...] = ()
    by_clients: bool = False
    """Scored by the clients, each its own model, and averaged over them."""
    rows: str = VALIDATION
    origin: Mapping[str, str] = field(default_factory=dict)
    """What computed it: versions and processors."""
    largest_share: Mapping[str, Any] | None = None
    """Of a round's weight that one client had, as `reports.weights` finds it; None where nobody knows."""
    lowered_rounds: int = 0
    """In which robust.max-share lowered somebody's weight."""

    @property
    def by_round(self) -> dict[int, float]:
        """The scores there are, by the round after which the model had them."""
        return {one.t: one.score for one in self.rounds if one.score is not None}

    @property
    def scores(self) -> list[float]:
        return list(self.by_round.values())


@dataclass(frozen=True)
class Cost:
    """The one-round run that measured a label's costs; `record` is that round's."""

    variant: str
    label: str
    status: str
    reason: str
    record: Record


@dataclass(frozen=True)
class Comparison:
    """A whole matrix as it stands, finished or not."""

    name: str
    metric: str
    clients: int
    engine: str
    targets: Mapping[str, tuple[float, ...]]
    """By variant, in the order of the matrix."""
    labels: tuple[str, ...]
    seeds: tuple[int, ...]
    cells: tuple[CellResult, ...]
    costs: tuple[Cost, ...]
    tuned: Mapping[str, Mapping[str, Any]] | None
    tuned_by: str
    """The held-out score by which points of the grid were chosen."""
    environment: Mapping[str, Any]

    @property
    def lower_is_better(self) -> bool:
        return self.metric in LOWER_IS_BETTER

    def finished(self, variant: str, label: str) -> list[CellResult]:
        """The cells with a result, one per seed."""
        return [c for c in self.cells if (c.variant, c.label, c.status) == (variant, label, FINISHED)]

    def groups(self) -> list[tuple[str, str, list[CellResult]]]:
        """Variant, label and finished cells, in the order of the matrix; those without any are left out."""
        found = [(variant, label, self.finished(variant, label)) for variant in self.targets for label in self.labels]
        return [group for group in found if group[2]]


def read_comparison(directory: Path) -> Comparison:
    """The comparison in this folder. Raises ValueError where matrix.json is missing or is not one."""
    path = directory / MATRIX
    try:
        matrix = read_json_object(path)
        targets = {v["name"]: tuple(v.get("targets", matrix["targets"])) for v in matrix["variants"]}
        return Comparison(
            matrix["name"],
            matrix["metric"],
            matrix["clients"],
            matrix["engine"],
            targets,
            tuple(matrix["labels"]),
            tuple(matrix["seeds"]),
            tuple(_cell(directory, entry, matrix["metric"]) for entry in matrix["cells"]),
            tuple(_cost(directory, entry) for entry in matrix.get("costs") or ()),
            matrix.get("tuned"),
            matrix.get("tuned-by", matrix["metric"]),
            matrix.get("environment") or {},
        )
    except OSError as error:
        raise ValueError(
            f"{directory} holds no comparison: {MATRIX}: {error.strerror}; `florg compare` makes it"
        ) from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path} is no comparison ({type(error).__name__}: {error}); remove it and run again"
        ) from error


def scored_rounds(records: Sequence[Record], metric: str) -> tuple[tuple[ScoredRound, ...], bool]:
    """The rounds of a run with the score of the model after each, and whether the clients gave it.

    Clients score the model that they receive in round t, that is the one after round t - 1; where the server scores
    none, their mean is therefore taken one round back, and the model after the last round has no score. A score that
    was not a number is NaN.
    """
    central = {r["round"]: r["evaluation"][metric] for r in records if metric in (r.get("evaluation") or {})}
    own = {r["round"] - 1: _own(r)[metric] for r in records if metric in _own(r)}
    scores = {t: math.nan if value is None else float(value) for t, value in (central or own).items()}
    found = tuple(
        ScoredRound(
            r["round"],
            scores.get(r["round"]),
            _traffic(r.get("up")),
            _traffic(r.get("down")),
            r.get("seconds") or {},
            bool(r.get("skipped")),
            len(r.get("rejected") or ()),
        )
        for r in records
    )
    return found, bool(own) and not central


def _own(record: Record) -> Record:
    return (record.get("own") or {}).get("mean") or {}


def _traffic(record: Record | None) -> Traffic:
    return Traffic(**{name.replace("-", "_"): value for name, value in (record or {}).items()})


def _cell(directory: Path, entry: Record, metric: str) -> CellResult:
    key = (entry["variant"], entry["label"], entry["seed"])
    settings = entry.get("settings") or {}
    if entry["status"] != FINISHED:
        return CellResult(*key, entry["status"], entry.get("reason") or "", settings)
    try:
        records = read_whole_history(directory / entry["folder"])
        summary = read_json_object(directory / entry["folder"] / SUMMARY)
    except (OSError, ValueError) as error:
        return CellResult(*key, FAILED, f"its results cannot be read: {error}", settings)
    settings = {**settings, **summary.get("settings", {})}
    found, by_clients = scored_rounds(records, metric)
    problem = _problem(found, metric)
    if problem:
        return CellResult(*key, FAILED, problem, settings)
    rows = settings.get("evaluate.client-rows", HELD_OUT) if by_clients else VALIDATION
    lowered = sum(bool(record.get("lowered-weights")) for record in records)
    return CellResult(
        *key, FINISHED, "", settings, found, by_clients, rows, _origin(summary), largest_share(records), lowered
    )


def _origin(summary: Record) -> dict[str, str]:
    return {**summary.get("versions", {}), **summary.get("hardware", {})}


def _problem(found: Sequence[ScoredRound], metric: str) -> str:
    """Why the rounds are no result; empty where they are one."""
    scored = [one for one in found if one.score is not None]
    if not scored:
        return f"no round has a score named {metric}; see evaluate.every and evaluate.on-clients"
    broken = [str(one.t) for one in scored if not math.isfinite(one.score or 0.0)]
    return f"{metric} is not a number after round {', '.join(broken)}" if broken else ""


def _cost(directory: Path, entry: Record) -> Cost:
    key = (entry["variant"], entry["label"])
    try:
        records = read_whole_history(directory / entry["folder"]) if entry["status"] == FINISHED else []
    except (OSError, ValueError) as error:
        return Cost(*key, FAILED, f"its results cannot be read: {error}", {})
    return Cost(*key, entry["status"], entry.get("reason") or "", records[-1] if records else {})
