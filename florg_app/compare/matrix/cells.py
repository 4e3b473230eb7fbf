"""Which runs a matrix asks for: their settings, settled and checked, and their names on disk."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from florg_app.compare.matrix.matrix import RESERVED, Matrix, MatrixError, Point, Variant
from florg_app.config import runconfig
from florg_app.config.parse import default_settings, flatten_settings, parse_settings
from florg_app.config.runconfig import RunConfig, overlay

ELSEWHERE = ("output-dir", "client.threads")
"""Settings that say where a cell runs and not what: another machine or --jobs leave it the same cell."""

Kind = Literal["cells", "tuning", "costs"]


@dataclass(frozen=True)
class CellSpec:
    """One run of the matrix."""

    kind: Kind
    variant: str
    label: str
    seed: int
    clients: int
    config: RunConfig
    """Every setting that the run knows, and no other."""

    @cached_property
    def folder(self) -> Path:
        """Relative to the comparison's; the hash covers all that decides the result."""
        return Path(self.kind, self.variant, self.label, f"seed-{self.seed}-{self.digest}")

    @property
    def digest(self) -> str:
        # Defaults are left out, so that a setting that later versions add does not make every cell a new one.
        known = default_settings()
        decisive = {key: value for key, value in self.config.items() if key not in ELSEWHERE and value != known[key]}
        text = json.dumps([self.clients, decisive], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def rounds(self) -> int:
        return int(self.config["num-server-rounds"])

    def __str__(self) -> str:
        kind = "" if self.kind == "cells" else f" ({self.kind})"
        return f"{self.label} on {self.variant}, seed {self.seed}{kind}"


@dataclass(frozen=True)
class Layers:
    """Settings from outside the matrix, the later ones winning."""

    base: RunConfig
    """Of pyproject.toml and the matrix's own `config` files; below its [settings]."""
    files: RunConfig
    """Of --config; above [settings], below variants and labels."""
    assignments: RunConfig
    """Of --set; above all but the seed and the grid. In texts {variant}, {label}, {task} and {model} stand for the
    variant, the label, and the last parts of task.name and model.name as they were without --set."""
    folder: Path
    """Where relative paths begin."""


def gather_layers(
    app: Path, matrix_file: Path, matrix: Matrix, files: Sequence[Path], assignments: Sequence[str]
) -> Layers:
    """Read the settings from outside the matrix. Raises ValueError."""
    base, _ = runconfig.gather_run_config(app, [matrix_file.parent / name for name in matrix.config], [])
    _, more = runconfig.gather_run_config(app, files, [])
    _, assigned = runconfig.gather_run_config(app, [], assignments)
    grid, space = (matrix.tune.grid, matrix.tune.space) if matrix.tune else ({}, {})
    refused = {**RESERVED, "strategy.name": "the matrix names the methods"}
    refused |= dict.fromkeys(grid, "[tune.grid] has its values") | dict.fromkeys(space, "[tune.space] has its values")
    if problems := [f"--set {key}: {why}; leave it out" for key, why in refused.items() if key in assigned]:
        raise MatrixError(*problems)
    return Layers(base, more, assigned, Path.cwd())


@dataclass(frozen=True)
class Planner:
    """Makes the cells of a matrix. Everything but `problems` raises ConfigError where settings cannot be used."""

    matrix: Matrix
    layers: Layers

    def pairs(self) -> Iterator[tuple[Variant, str]]:
        """Every method on every variant."""
        return ((variant, label) for variant in self.matrix.variant for label in self.matrix.methods)

    def tuned_pairs(self) -> Iterator[tuple[Variant, str]]:
        """Those of them that are tuned."""
        return (pair for pair in self.pairs() if self.matrix.tuned_on(pair[0].name) == pair[0].name)

    def points(self) -> list[Point]:
        return self.matrix.tune.points() if self.matrix.tune else [{}]

    def reported(self, variant: Variant, label: str, seed: int, point: Point) -> CellSpec:
        """A run whose scores are reported, all on the same rows.

        Where clients keep a part of the model to themselves they score their own models on the task's validation rows,
        and since those of round t score the model after round t - 1 there is one round more.
        """
        config = self._config(variant, label, seed, point)
        settings = parse_settings(config)
        if not settings.method.plan.has_global_model:
            scored = {"evaluate.on-clients": True, "evaluate.client-rows": "validation"}
            scored["num-server-rounds"] = settings.num_server_rounds + 1
            config |= {key: value for key, value in scored.items() if key not in self.matrix.method.get(label, {})}
        return self._cell("cells", variant, label, seed, config)

    def tuning(self, variant: Variant, label: str, seed: int, point: Point) -> CellSpec:
        """A run that scores a point of the grid by held-out rows alone."""
        tune = self.matrix.tune
        assert tune is not None
        how = {
            "num-server-rounds": tune.rounds,
            "partition.holdout": tune.holdout,
            "evaluate.every": 0,
            "evaluate.on-clients": True,
            "evaluate.client-rows": "held-out",
        }
        return self._cell("tuning", variant, label, seed, self._config(variant, label, seed, point) | how)

    def costs(self, variant: Variant, label: str, seed: int, point: Point) -> CellSpec:
        """One measured round."""
        how = {"measure.costs": True, "num-server-rounds": 1, "evaluate.every": 0, "evaluate.on-clients": False}
        return self._cell("costs", variant, label, seed, self._config(variant, label, seed, point) | how)

    def problems(self) -> list[str]:
        """What keeps cells from running, each problem once with the cells that have it."""
        where: dict[str, list[str]] = {}
        for variant, label in self.pairs():
            found: dict[str, None] = {}
            for point in self.points():
                try:
                    self._all(variant, label, point)
                except ValueError as error:
                    found |= dict.fromkeys(map(str, error.args))
            for problem in found:
                where.setdefault(problem, []).append(f"{label} on {variant.name}")
        everywhere = len(list(self.pairs()))
        return [
            f"{'in all cells' if len(cells) == everywhere else ', '.join(cells)}: {problem}"
            for problem, cells in where.items()
        ]

    def _all(self, variant: Variant, label: str, point: Point) -> None:
        self.reported(variant, label, self.matrix.seeds[0], point)
        if self.matrix.tune:
            self.tuning(variant, label, self.matrix.tune.seeds[0], point)
        if self.matrix.costs:
            self.costs(variant, label, self.matrix.seeds[0], point)

    def _config(self, variant: Variant, label: str, seed: int, point: Point) -> RunConfig:
        layers, matrix = self.layers, self.matrix
        own = {"strategy.name": label} | matrix.method.get(label, {})
        config = overlay(layers.base | matrix.settings | layers.files | variant.settings, own, layers.base)
        names = {"variant": variant.name, "label": label}
        names |= {name: str(config.get(f"{name}.name", "")).rpartition("/")[2] for name in ("task", "model")}
        config |= {key: _substituted(value, names) for key, value in layers.assignments.items()}
        return config | runconfig.absolute_paths(config, layers.folder) | point | {"seed": seed}

    def _cell(self, kind: Kind, variant: Variant, label: str, seed: int, config: RunConfig) -> CellSpec:
        return CellSpec(
            kind,
            variant.name,
            label,
            seed,
            variant.clients or self.matrix.clients,
            flatten_settings(parse_settings(config)),
        )


def _substituted(value: bool | int | float | str, names: Mapping[str, str]) -> bool | int | float | str:
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(f"{{{name}}}", text)
    return value
