"""What was sent until a target was reached, as tables."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from florg_app.compare.report.communication import (
    KEY_COLUMNS,
    TRAFFIC_QUANTITIES,
    TrafficQuantity,
    traffic_key,
    traffic_text,
    traffic_title,
    traffic_value,
)
from florg_app.compare.report.results import Comparison
from florg_app.compare.report.traffic import Middle, Reached, middle, to_target
from florg_app.pages.tables import ABSENT, Column, Table, TableCell, absent_cell, number_cell, text_cell

Runs = Sequence[Reached | None]
"""Of one label, a run for each seed; None did not reach the target."""

_COMPARED: tuple[TrafficQuantity, ...] = (("total", "adapter_numbers"), ("total", "wire_bytes"))
_SHOWN: tuple[TrafficQuantity, ...] = (
    _COMPARED[0],
    ("total", "head_numbers"),
    _COMPARED[1],
    ("up", "adapter_numbers"),
    ("down", "adapter_numbers"),
)
_MORE = "not reached"


def target_table(comparison: Comparison) -> Table:
    """Median and range over seeds, and the ratio to the first label's median."""
    rows = []
    for variant, target, found in _runs(comparison):
        reference = found.get(comparison.labels[0], ())
        for label, runs in found.items():
            ratios = [_ratio(_middle(runs, quantity), _middle(reference, quantity)) for quantity in _COMPARED]
            rows.append(
                (text_cell(variant), number_cell(f"{target:g}", target), text_cell(label), *_counts(runs), *ratios)
            )
    return Table("to-target", "Sent until the target", _columns(comparison), tuple(rows), _notes(comparison))


def target_data(comparison: Comparison) -> Table:
    """Every quantity and seed of the above."""
    rows = []
    for variant, label, cells in comparison.groups():
        for target in comparison.targets[variant]:
            for cell in cells:
                found = to_target(cell, target, comparison.lower_is_better)
                values = [
                    None if found is None else traffic_value(quantity, found.sent) for quantity in TRAFFIC_QUANTITIES
                ]
                first = (variant, label, target, cell.seed, found.t if found else None)
                rows.append(tuple(text_cell(value) for value in (*first, *values)))
    names = ("variant", "label", "target", "seed", "round", *map(traffic_key, TRAFFIC_QUANTITIES))
    columns = tuple(Column(name, (name,)) for name in names)
    return Table("to-target-by-seed", "Sent until the target, by seed (empty: not reached)", columns, tuple(rows))


def _runs(comparison: Comparison) -> Iterator[tuple[str, float, Mapping[str, Runs]]]:
    """By variant and target, the runs of every label that has any."""
    for variant, targets in comparison.targets.items():
        cells = {label: comparison.finished(variant, label) for label in comparison.labels}
        for target in targets:
            found = {
                label: [to_target(cell, target, comparison.lower_is_better) for cell in group]
                for label, group in cells.items()
                if group
            }
            yield variant, target, found


def _middle(runs: Runs, quantity: TrafficQuantity) -> Middle:
    return middle([None if run is None else traffic_value(quantity, run.sent) for run in runs])


def _counts(runs: Runs) -> list[TableCell]:
    missed = sum(run is None for run in runs)
    reached = f"{_MORE} ({missed} of {len(runs)} seeds)" if missed else f"{len(runs)} of {len(runs)} seeds"
    rounds = middle([None if run is None else run.t for run in runs])
    return [
        number_cell(reached, len(runs) - missed, len(runs)),
        _spread(rounds, lambda value: f"{value:g}"),
        *(_spread(_middle(runs, quantity), lambda value, q=quantity: traffic_text(q, value)) for quantity in _SHOWN),
    ]


def _spread(found: Middle, say: Callable[[float], str]) -> TableCell:
    """The median, and the range where it is one."""
    values = (found.median, found.low, found.high)
    if found.low is None:
        return absent_cell(3)
    low, high = say(found.low), _MORE if found.high is None else say(found.high)
    centre = _MORE if found.median is None else say(found.median)
    return number_cell(centre if low == high else f"{centre} ({low} to {high})", *values)


def _ratio(found: Middle, reference: Middle) -> TableCell:
    if found.median is None or not reference.median:
        return absent_cell()
    return number_cell(f"{found.median / reference.median:.3g}", found.median / reference.median)


def _columns(comparison: Comparison) -> tuple[Column, ...]:
    def three(heading: str, name: str) -> Column:
        return Column(heading, (f"{name}-median", f"{name}-low", f"{name}-high"))

    first = comparison.labels[0] if comparison.labels else ABSENT
    return (
        KEY_COLUMNS[0],
        Column(comparison.metric, ("target",)),
        KEY_COLUMNS[1],
        Column("reached", ("seeds-reached", "seeds")),
        three("round", "round"),
        *(three(traffic_title(quantity), traffic_key(quantity)) for quantity in _SHOWN),
        *(
            Column(f"{traffic_title(quantity)} ÷ {first}", (f"ratio-{traffic_key(quantity)}",))
            for quantity in _COMPARED
        ),
    )


def _notes(comparison: Comparison) -> tuple[str, ...]:
    direction = "at or below" if comparison.lower_is_better else "at or above"
    return (
        f"Counted alike for all: all clients, both ways, adapters and head apart, in every round up to and including "
        f"the first after which {comparison.metric} is {direction} the target. The broadcast of a round counts as that "
        "round's, so that the first one is in round 1; what clients make from the seed is not sent and costs nothing; "
        "uploads count where the server accepted them. A round that nobody scored reaches nothing.",
        f"Median over seeds, and their range where they differ. A seed that did not reach the target counts as more "
        f"than any number, and is never extrapolated: “{_MORE}” as a median says that at least half of them did not. "
        f"{ABSENT}: no seed did.",
    )
