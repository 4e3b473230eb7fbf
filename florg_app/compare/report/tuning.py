"""The settings that were tried for every label on held-out rows, and those that were chosen, as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from florg_app.compare.report.communication import KEY_COLUMNS
from florg_app.compare.report.results import Comparison
from florg_app.compare.report.tables import Column, Table, absent_cell, number_cell, text_cell
from florg_app.config.flat import to_toml

TriedSettings = Mapping[str, Any]


def tuning_table(comparison: Comparison) -> Table:
    """Every point of every grid; the chosen one in bold."""
    rows, edges, budgets = [], [], {}
    for variant, labels in (comparison.tuned or {}).items():
        for label, found in labels.items():
            points, chosen = found["points"], found["chosen"]
            budgets.setdefault(len(points), []).append(f"{label} on {variant}")
            points_of_grid = points if found.get("search", "grid") == "grid" else []
            edges += [
                f"{label} on {variant}: {key}" for key in _at_edge(chosen, [p["settings"] for p in points_of_grid])
            ]
            rows += [(text_cell(variant), text_cell(label), *_point(point, chosen)) for point in points]
    columns = (
        *KEY_COLUMNS,
        Column("settings", ("settings",)),
        Column(f"{comparison.tuned_by} on held-out rows", ("score",)),
        Column("", ("chosen",)),
        Column("failed because", ("reason",)),
    )
    return Table("tuning", "Tried and chosen", columns, tuple(rows), (*_budget(budgets), *_edge(edges)))


def _point(point: Mapping[str, Any], chosen: TriedSettings) -> list:
    score, taken = point.get("score"), point["settings"] == chosen
    return [
        text_cell(", ".join(f"{key} = {to_toml(value)}" for key, value in point["settings"].items())),
        absent_cell() if score is None else number_cell(f"{score:.3f}", score, strong=taken),
        text_cell("chosen" if taken else ""),
        text_cell(point.get("reason") or ""),
    ]


def _at_edge(chosen: TriedSettings, tried: Sequence[TriedSettings]) -> list[str]:
    """The numeric settings whose best value is the smallest or largest of three or more that were tried."""
    found = []
    for key, value in chosen.items():
        values = sorted({settings[key] for settings in tried if isinstance(settings.get(key), int | float)})
        if len(values) > 2 and value in (values[0], values[-1]):
            found.append(key)
    return found


def _budget(budgets: Mapping[int, Sequence[str]]) -> list[str]:
    if len(budgets) == 1:
        return [f"Equal budget: {next(iter(budgets))} points each, chosen on held-out rows, not on the reported ones."]
    return ["UNEQUAL budget: " + "; ".join(f"{n} points for {', '.join(who)}" for n, who in budgets.items()) + "."]


def _edge(edges: Sequence[str]) -> list[str]:
    return (
        [f"Chosen at the edge of the grid, so that a wider one may find better: {'; '.join(edges)}."] if edges else []
    )
