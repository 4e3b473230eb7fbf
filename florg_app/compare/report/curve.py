"""The curve of a label: its scores over seeds, by round and by what had been sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from florg_app.compare.report.communication import TRAFFIC_QUANTITIES, traffic_key, traffic_value
from florg_app.compare.report.results import CellResult, Comparison
from florg_app.compare.report.traffic import cumulative
from florg_app.pages.tables import Column, Table, text_cell


@dataclass(frozen=True)
class Curve:
    """Scores of a label after the rounds that all of its seeds scored."""

    rounds: list[int]
    sent: list[float]
    """Bytes on the wire, both ways, by the end of each round; mean over seeds."""
    mean: list[float]
    low: list[float]
    high: list[float]


def curve(cells: Sequence[CellResult]) -> Curve:
    """The curve of the cells of one label and variant."""
    scores = [cell.by_round for cell in cells]
    sent = [_bytes_by_round(cell) for cell in cells]
    rounds = sorted(set.intersection(*(set(found) for found in scores)))
    values = [[found[t] for found in scores] for t in rounds]
    return Curve(
        rounds,
        [fmean(found[t] for found in sent) for t in rounds],
        [fmean(at) for at in values],
        [min(at) for at in values],
        [max(at) for at in values],
    )


def curve_data(comparison: Comparison) -> Table:
    """Every round of every finished cell: its score, and what had been sent by its end."""
    rows = []
    for variant, label, cells in comparison.groups():
        for cell in cells:
            for one, sent in zip(cell.rounds, cumulative(cell.rounds), strict=True):
                values = (
                    variant,
                    label,
                    cell.seed,
                    one.t,
                    one.score,
                    *(traffic_value(quantity, sent) for quantity in TRAFFIC_QUANTITIES),
                )
                rows.append(tuple(text_cell(value) for value in values))
    names = (
        "variant",
        "label",
        "seed",
        "round",
        comparison.metric,
        *(f"sent-{traffic_key(q)}" for q in TRAFFIC_QUANTITIES),
    )
    columns = tuple(Column(name, (name,)) for name in names)
    return Table("curves", "Scores and what was sent, by round (empty: not scored)", columns, tuple(rows))


def _bytes_by_round(cell: CellResult) -> dict[int, int]:
    return {one.t: sent.total.wire_bytes for one, sent in zip(cell.rounds, cumulative(cell.rounds), strict=True)}
