"""The matrix of a comparison: methods x variants x seeds."""

import re
from collections import Counter
from itertools import product
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Len, Lt
from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from florg_app.config.runconfig import RunConfig

Point = dict[str, Any]
"""One choice of a value for each key of [tune.grid]; {} where nothing is tuned."""

RESERVED = {
    "seed": "the key seeds has the seeds of all cells",
    "output-dir": "each cell has a folder of its own",
    "resume-from": "a comparison goes on by itself where it stopped",
}
"""Settings that are the comparison's own, and why."""

NO_VARIANT = "all"
"""The one variant of a matrix that names none."""


class MatrixError(ValueError):
    """A matrix that cannot be used; one argument per problem."""

    def __str__(self) -> str:
        if len(self.args) == 1:
            return self.args[0]
        return f"{len(self.args)} problems:\n" + "\n".join(f"  - {problem}" for problem in self.args)


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if twice := [value for value, count in Counter(values).items() if count > 1]:
        raise ValueError(f"{', '.join(map(str, twice))} is there more than once")
    return values


def _path_part(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError("it names a folder: expected letters, digits, '.', '_' and '-', not beginning with a sign")
    return name


LabelName = Annotated[str, AfterValidator(_path_part)]
Distinct = AfterValidator(_distinct)
Seeds = Annotated[tuple[Annotated[int, Ge(0)], ...], Len(1), Distinct]
Targets = tuple[float, ...]


def _ascending(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(sorted(values)) if all(isinstance(value, int | float) for value in values) else values


class _Table(BaseModel, frozen=True):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Variant(_Table, frozen=True):
    """One point of the axis that is crossed with methods and seeds: a task, a rank, a skew."""

    name: LabelName
    targets: Targets | None = None
    """Instead of the matrix's own."""
    clients: Annotated[int | None, Ge(1)] = None
    """Instead of the matrix's own."""
    settings: RunConfig = {}


class NumberSpan(_Table, frozen=True):
    """Numbers between two, both included; whole ones where both are."""

    low: int | float
    high: int | float
    log: bool = False
    """Whether ratios count, and not differences: of learning rates."""

    @model_validator(mode="after")
    def _ascends(self) -> "NumberSpan":
        if not self.low < self.high:
            raise ValueError(f"low = {self.low} must be below high = {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low = {self.low}: with log = true it must be above 0")
        return self


class Tune(_Table, frozen=True):
    """What every method is tuned on, with the same budget, by rows that clients hold out of their own."""

    search: Literal["grid", "tpe"] = "grid"
    """grid: every choice of [tune.grid]; tpe: `trials` of [tune.space], each after what the ones before scored."""
    trials: Annotated[int | None, Ge(2)] = None
    """Of each method and variant, with tpe."""
    seeds: Seeds
    rounds: Annotated[int, Ge(2)]
    """Of a tuning run. The clients of round t score the model after round t - 1, so one round alone scores nothing."""
    holdout: Annotated[float, Gt(0), Lt(1)]
    metric: str | None = None
    """Instead of the matrix's own: "loss" tells points apart that a few held-out rows score alike."""
    variant: LabelName | None = None
    """Tune on this variant alone; every other one takes its choices."""
    grid: dict[str, Annotated[tuple[Any, ...], Len(1), Distinct]] = {}
    space: dict[str, NumberSpan | Annotated[tuple[Any, ...], Len(1), Distinct]] = {}
    """By setting: between two numbers, or one of a list."""

    @model_validator(mode="after")
    def _has_what_its_search_reads(self) -> "Tune":
        own, other = ("grid", "space") if self.search == "grid" else ("space", "grid")
        if not getattr(self, own):
            raise ValueError(f"[tune.{own}] is missing or empty, which search = {self.search!r} reads")
        if getattr(self, other):
            raise ValueError(f"[tune.{other}] is there, which search = {self.search!r} does not read; remove it")
        if (self.trials is None) == (self.search == "tpe"):
            raise ValueError(
                "trials: give a number with search = 'tpe', and none with a grid, whose points are all run"
            )
        return self

    def points(self) -> list[Point]:
        """All choices of the grid, smaller values first; of a space its corners, between which all trials lie."""
        axes = {key: _ascending(values) for key, values in self.grid.items()}
        axes |= {
            key: (span.low, span.high) if isinstance(span, NumberSpan) else span for key, span in self.space.items()
        }
        return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]

    @property
    def num_trials(self) -> int:
        """Points that each method is tried on."""
        return self.trials or len(self.points())


class Matrix(_Table, frozen=True):
    """What is compared, checked as far as that needs no knowledge of the settings."""

    name: Annotated[str, Len(1)]
    methods: Annotated[tuple[LabelName, ...], Len(1), Distinct]
    """Labels: `strategy.name` unless the label's own settings have another."""
    seeds: Seeds
    clients: Annotated[int, Ge(1)]
    engine: Literal["inline", "simulation"] = "inline"
    metric: str = "accuracy"
    targets: Targets = ()
    config: tuple[str, ...] = ()
    """Files of settings common to all cells, relative to the matrix's own file."""
    settings: RunConfig = {}
    """Common to all cells."""
    method: dict[str, RunConfig] = {}
    """The own settings of labels."""
    variant: Annotated[tuple[Variant, ...], Len(1)]
    tune: Tune | None = None
    costs: bool = True
    """One more round of each method on each variant, in which FLOPs and memory are measured."""

    @model_validator(mode="after")
    def _names_are_unique_and_used(self) -> "Matrix":
        _distinct(tuple(variant.name for variant in self.variant))
        if unused := [label for label in self.method if label not in self.methods]:
            raise ValueError(f"[method.{unused[0]}] is not among methods = {list(self.methods)}")
        names = [variant.name for variant in self.variant]
        if self.tune and self.tune.variant not in (None, *names):
            raise ValueError(f"tune.variant = {self.tune.variant!r} is none of the variants {', '.join(names)}")
        return self

    @property
    def tuned_by(self) -> str:
        """The held-out score by which points of the grid are chosen."""
        return self.tune.metric if self.tune and self.tune.metric else self.metric

    def tuned_on(self, variant: str) -> str:
        """The variant whose tuning decides for this one."""
        return self.tune.variant if self.tune and self.tune.variant else variant

    def targets_of(self, variant: Variant) -> Targets:
        return self.targets if variant.targets is None else variant.targets
