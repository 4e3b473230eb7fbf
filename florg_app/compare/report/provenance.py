"""Where results come from: what is missing, what was common to all cells, what differed, which versions ran."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from florg_app.code_version import code_fingerprint
from florg_app.compare.report.results import FINISHED, CellResult, Comparison
from florg_app.config.flat import to_toml
from florg_app.pages.tables import ABSENT, Column, Table, text_cell
from florg_app.reports import summary

_PATHS = frozenset({"output-dir"})
"""Settings that say where results lie, not how they were made."""

_AXES: dict[str, Callable[[CellResult], tuple[Any, ...]]] = {
    "label": lambda cell: (cell.label,),
    "variant": lambda cell: (cell.variant,),
    "seed": lambda cell: (cell.seed,),
    "label and variant": lambda cell: (cell.label, cell.variant),
    "label, variant and seed": lambda cell: (cell.label, cell.variant, cell.seed),
}
"""What a setting can vary with, the simplest explanation first."""


def alerts(comparison: Comparison) -> tuple[str, ...]:
    """What a reader must know before any number."""
    cells = comparison.cells
    without = [cell for cell in cells if cell.status != FINISHED]
    if not without:
        return () if cells else ("EMPTY: the matrix has no cells.",)
    counts = {status: sum(cell.status == status for cell in without) for status in sorted({c.status for c in without})}
    kinds = ", ".join(f"{n} {status}" for status, n in counts.items())
    return (
        f"UNFINISHED: {len(without)} of {len(cells)} cells have no result ({kinds}). Means are over the seeds that "
        "there are, which may not be the same for all labels.",
    )


def problem_table(comparison: Comparison) -> Table:
    """Cells without a result, and cells in which rounds were skipped or uploads rejected; alike ones in one row."""
    seeds: dict[tuple[str, ...], list[int]] = {}
    for cell in comparison.cells:
        reason = cell.reason or _incidents(cell)
        if cell.status != FINISHED or reason:
            seeds.setdefault((cell.variant, cell.label, cell.status, reason), []).append(cell.seed)
    rows = [(*key[:2], ", ".join(map(str, found)), *key[2:]) for key, found in seeds.items()]
    title = "Cells without a result, skipped rounds, rejected uploads"
    columns = tuple(Column(name, (name,)) for name in ("variant", "label", "seeds", "status", "reason"))
    return Table("problems", title, columns, tuple(tuple(text_cell(text) for text in row) for row in rows))


def _incidents(cell: CellResult) -> str:
    skipped, rejected = sum(one.skipped for one in cell.rounds), sum(one.rejected for one in cell.rounds)
    return f"{skipped} rounds skipped, {rejected} uploads rejected" if skipped or rejected else ""


def environment_table(comparison: Comparison) -> Table:
    """What ran, on what."""
    found: dict[str, Any] = {
        "clients": comparison.clients,
        "engine": comparison.engine,
        "seeds": ", ".join(map(str, comparison.seeds)),
        **comparison.environment,
    }
    finished = [cell for cell in comparison.cells if cell.status == FINISHED]
    for name in dict.fromkeys(name for cell in finished for name in cell.origin):
        found[name] = " | ".join(_distinct(cell.origin.get(name, ABSENT) for cell in finished))
    found |= {"report made with florg-app": summary.package_versions().get("florg-app", ABSENT)}
    found |= {"report made by source": code_fingerprint()}
    rows = tuple((text_cell(name), text_cell(value)) for name, value in found.items())
    return Table("environment", "Environment", (Column("what", ("what",)), Column("value", ("value",))), rows)


def common_settings(comparison: Comparison) -> Table:
    """The settings that are the same in every finished cell."""
    rows = tuple(
        (text_cell(key), text_cell(_value(values[0])))
        for key, values in _settings(_known(comparison)).items()
        if len(_distinct(values)) == 1
    )
    columns = (Column("key", ("key",)), Column("value", ("value",)))
    return Table("settings-common", "Settings of all cells", columns, rows)


def differing_settings(comparison: Comparison) -> Table:
    """The settings that are not the same in every finished cell, and what they vary with."""
    rows, cells = [], _known(comparison)
    for key, values in _settings(cells).items():
        if len(_distinct(values)) > 1:
            axis, found = _explain(cells, values)
            rows.append((text_cell(key), text_cell(axis), text_cell(_by_value(found))))
    notes = (f"{ABSENT}: not a setting there.",)
    columns = (Column("key", ("key",)), Column("varies with", ("varies-with",)), Column("values", ("values",)))
    return Table("settings-differing", "Settings that differ", columns, tuple(rows), notes)


def _known(comparison: Comparison) -> Sequence[CellResult]:
    """The cells that recorded all of their settings; what others were asked for stands in where there are none."""
    return [cell for cell in comparison.cells if cell.status == FINISHED] or comparison.cells


def _settings(cells: Sequence[CellResult]) -> dict[str, list[Any]]:
    """By key, the value in each cell; None where the cell has no such setting."""
    keys = dict.fromkeys(key for cell in cells for key in cell.settings if key not in _PATHS)
    return {key: [cell.settings.get(key) for cell in cells] for key in keys}


def _explain(cells: Sequence[CellResult], values: Sequence[Any]) -> tuple[str, Mapping[tuple[Any, ...], Any]]:
    """The simplest of the axes on which the value depends alone, with its value at each place."""
    for axis, place in _AXES.items():
        found: dict[tuple[Any, ...], Any] = {}
        if all(found.setdefault(place(cell), value) == value for cell, value in zip(cells, values, strict=True)):
            return axis, found
    raise AssertionError("two cells of one label, variant and seed")


def _by_value(found: Mapping[tuple[Any, ...], Any]) -> str:
    """Each value with the places where it holds: "0.1 (florg, florg-r8); – (fedit)"."""
    places: dict[str, list[str]] = {}
    for place, value in found.items():
        places.setdefault(_value(value), []).append(" ".join(map(str, place)))
    return "; ".join(f"{value} ({', '.join(where)})" for value, where in places.items())


def _value(value: Any) -> str:
    return ABSENT if value is None else to_toml(value)


def _distinct(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))
