"""How a comparison stands: which cells there are, how each ended, what the tuning chose; what matrix.json says."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from florg_app.compare.matrix.cells import CellSpec, Planner
from florg_app.compare.matrix.matrix import Point, Variant
from florg_app.compare.run import disk, search, tuning_choice
from florg_app.compare.run.disk import CellState
from florg_app.reports.history import read_whole_history


class MatrixStatus:
    """The cells of a matrix and what is in `folder` of them. Writes matrix.json and tuned.json."""

    def __init__(self, planner: Planner, folder: Path) -> None:
        self.planner, self.matrix, self.folder = planner, planner.matrix, folder
        self._states: dict[Path, CellState] = {}
        self._cells: dict[tuple[Any, ...], CellSpec] = {}
        self._tried: dict[tuple[str, str], list[tuning_choice.Tried]] = {}
        self._points: dict[tuple[str, str], list[Point]] = {}
        self.settle_tuning()

    def state(self, cell: CellSpec) -> CellState:
        """As of its last `look`, the first of which is here."""
        return self._states[cell.folder] if cell.folder in self._states else self.look(cell)

    def look(self, cell: CellSpec) -> CellState:
        """Read anew how a cell stands."""
        self._states[cell.folder] = disk.read_cell_state(self.folder / cell.folder, cell, self.matrix.metric)
        return self._states[cell.folder]

    def tuning(self) -> list[CellSpec]:
        """Cells that score points, seeds outermost: those of a grid, or of the trials so far and the next one."""
        if self.matrix.tune is None:
            return []
        return [
            self._cell(self.planner.tuning, *pair, seed, point)
            for seed in self.matrix.tune.seeds
            for pair in self.planner.tuned_pairs()
            for point in self._points[pair[0].name, pair[1]]
        ]

    def reported(self, assumed: Point | None = None) -> list[CellSpec]:
        """Cells whose point of the grid is known, or `assumed`; seeds outermost, so that an early end has all methods.

        Within a seed the methods of one variant follow each other: they share data and model.
        """
        points = [(pair, self._point(*pair) if assumed is None else assumed) for pair in self.planner.pairs()]
        return [
            self._cell(self.planner.reported, *pair, seed, point)
            for seed in self.matrix.seeds
            for pair, point in points
            if point is not None
        ]

    def costs(self, assumed: Point | None = None) -> list[CellSpec]:
        """One measured round per method and variant."""
        if not self.matrix.costs:
            return []
        points = [(pair, self._point(*pair) if assumed is None else assumed) for pair in self.planner.pairs()]
        return [
            self._cell(self.planner.costs, *pair, self.matrix.seeds[0], point)
            for pair, point in points
            if point is not None
        ]

    def everything(self) -> list[CellSpec]:
        """As many cells as there will be, with as many rounds; those not tuned yet stand at some point of the grid."""
        known = [*self.reported(), *self.costs()]
        if self.matrix.tune is None:
            return known
        some = self.planner.points()[0]
        assumed = [*self.reported(some), *self.costs(some)]
        later = [cell for cell in assumed if (self.matrix.tuned_on(cell.variant), cell.label) not in self._tried]
        return [*self.tuning(), *self._later_trials(some), *known, *later]

    def settle_tuning(self) -> None:
        """Choose a point for each method and variant of which every tuning run is over, and write tuned.json."""
        tune = self.matrix.tune
        if tune is None:
            return
        for variant, label in self.planner.tuned_pairs():
            pair, look = (variant.name, label), partial(self._try_if_run, variant, label)
            tried, missing = search.tried_points(tune, self.matrix.tuned_by, look)
            far = [*(one.point for one in tried), *missing]
            self._points[pair] = self.planner.points() if tune.search == "grid" else far
            if not missing:
                self._tried[pair] = tried
        if self._tried:
            disk.write_json(self.folder / disk.TUNED, self.tuned())

    def tuned(self) -> dict[str, Any] | None:
        """{variant: {label: {"chosen", "points"}}}; None without [tune]."""
        if self.matrix.tune is None:
            return None
        found: dict[str, Any] = {}
        for (variant, label), tried in self._tried.items():
            chosen = tuning_choice.as_dict(tried, self.matrix.tuned_by)
            found.setdefault(variant, {})[label] = {**chosen, "search": self.matrix.tune.search}
        return found

    def write(self) -> None:
        """Bring matrix.json up to date."""
        disk.write_json(self.folder / disk.MATRIX, self.document())

    def document(self) -> dict[str, Any]:
        """All that a report needs to find the results."""
        matrix = self.matrix
        cells = [self._entry(seed, *pair) for seed in matrix.seeds for pair in self.planner.pairs()]
        return {
            "name": matrix.name,
            "metric": matrix.metric,
            "tuned-by": matrix.tuned_by,
            "targets": list(matrix.targets),
            "clients": matrix.clients,
            "engine": matrix.engine,
            "variants": [{"name": v.name, "targets": list(matrix.targets_of(v))} for v in matrix.variant],
            "labels": list(matrix.methods),
            "seeds": list(matrix.seeds),
            "tuned": self.tuned(),
            "cells": cells,
            "costs": [
                {key: value for key, value in self._described(cell).items() if key not in ("seed", "settings")}
                for cell in self.costs()
            ],
        }

    def _entry(self, seed: int, variant: Variant, label: str) -> dict[str, Any]:
        point = self._point(variant, label)
        if point is not None:
            return self._described(self._cell(self.planner.reported, variant, label, seed, point))
        tried = self._tried.get((self.matrix.tuned_on(variant.name), label))
        status, reason = (
            ("failed", f"every point of [tune.{self._tried_in}] failed: {tried[0].reason}")
            if tried
            else ("missing", "")
        )
        unknown = {"folder": "", "status": status, "reason": reason, "settings": {}}
        return {"variant": variant.name, "label": label, "seed": seed, **unknown}

    @property
    def _tried_in(self) -> str:
        return "space" if self.matrix.tune and self.matrix.tune.search == "tpe" else "grid"

    def _described(self, cell: CellSpec) -> dict[str, Any]:
        state = self.state(cell)
        return {
            "variant": cell.variant,
            "label": cell.label,
            "seed": cell.seed,
            "folder": cell.folder.as_posix(),
            "status": state.status,
            "reason": state.reason,
            "settings": cell.config,
        }

    def _cell(self, make: Callable[..., CellSpec], variant: Variant, label: str, seed: int, point: Point) -> CellSpec:
        """A cell of the planner's, made once: each takes milliseconds, and matrix.json has hundreds."""
        key = (make.__name__, variant.name, label, seed, *point.items())
        if key not in self._cells:
            self._cells[key] = make(variant, label, seed, point)
        return self._cells[key]

    def _later_trials(self, some: Point) -> list[CellSpec]:
        """Cells of trials whose points are not known yet, standing at some point."""
        tune = self.matrix.tune
        assert tune is not None
        return [
            self._cell(self.planner.tuning, variant, label, seed, some)
            for variant, label in self.planner.tuned_pairs()
            for _ in range(tune.num_trials - len(self._points[variant.name, label]))
            for seed in tune.seeds
        ]

    def _try_if_run(self, variant: Variant, label: str, point: Point) -> tuning_choice.Tried | None:
        """What a point scored; None while one of its runs is missing."""
        assert self.matrix.tune is not None
        cells = [self._cell(self.planner.tuning, variant, label, seed, point) for seed in self.matrix.tune.seeds]
        if any(self.state(cell).status == "missing" for cell in cells):
            return None
        return self._try(variant, label, point)

    def _point(self, variant: Variant, label: str) -> Point | None:
        """What the cells of a method on a variant are run with; None before it is known, or where there is none."""
        if self.matrix.tune is None:
            return {}
        tried = self._tried.get((self.matrix.tuned_on(variant.name), label), [])
        return tuning_choice.choose(tried, self.matrix.tuned_by)

    def _try(self, variant: Variant, label: str, point: Point) -> tuning_choice.Tried:
        assert self.matrix.tune is not None
        cells = [self._cell(self.planner.tuning, variant, label, seed, point) for seed in self.matrix.tune.seeds]
        failed = [self.state(cell) for cell in cells if self.state(cell).status == "failed"]
        return tuning_choice.Tried(point, tuple(map(self._score, cells)), failed[0].reason if failed else "")

    def _score(self, cell: CellSpec) -> float | None:
        if self.state(cell).status != "finished":
            return None
        try:
            records = read_whole_history(self.folder / cell.folder)
        except (OSError, ValueError):
            return None  # as of a run that failed
        return tuning_choice.held_out_score(records, self.matrix.tuned_by)


def failures(document: Mapping[str, Any]) -> list[str]:
    """What of a matrix.json failed, in words."""
    cells = [(f"seed {entry['seed']}", entry) for entry in document["cells"]]
    costs = [("costs", entry) for entry in document["costs"]]
    return [
        f"{entry['label']} on {entry['variant']}, {what}: {entry['reason']}"
        for what, entry in cells + costs
        if entry["status"] == "failed"
    ]
