"""What a round costs in operations, memory and time, as tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean, median

from florg_app.compare.report.communication import KEY_COLUMNS
from florg_app.compare.report.results import CellResult, Comparison
from florg_app.pages.tables import Column, Table, TableCell, absent_cell, format_count, number_cell, text_cell
from florg_app.reports.summary import Record, format_bytes


@dataclass(frozen=True)
class CostQuantity:
    """A number of a round's record: where it lies, and how it is said."""

    title: str
    name: str
    path: tuple[str, ...]
    say: Callable[[float], str]


COST_QUANTITIES = (
    CostQuantity("client FLOPs", "client-flops", ("train", "flops"), format_count),
    CostQuantity("server FLOPs", "server-flops", ("server-flops",), format_count),
    CostQuantity("client memory, peak", "client-peak-memory-bytes", ("train", "peak-memory-bytes"), format_bytes),
    CostQuantity("server memory, peak", "server-peak-memory-bytes", ("server-peak-memory-bytes",), format_bytes),
)


def cost_table(comparison: Comparison) -> Table:
    """FLOPs and peak memory of one round; a quantity that nobody measured has no column, and a note says so."""
    found = [(cost, [_number(cost.record, q.path) for q in COST_QUANTITIES]) for cost in comparison.costs]
    measured = [i for i in range(len(COST_QUANTITIES)) if any(values[i] is not None for _, values in found)]
    missing = [COST_QUANTITIES[i].title for i in range(len(COST_QUANTITIES)) if i not in measured]
    rows = tuple(
        (text_cell(cost.variant), text_cell(cost.label), *(_cell(COST_QUANTITIES[i], values[i]) for i in measured))
        for cost, values in found
        if any(values[i] is not None for i in measured)
    )
    columns = (*KEY_COLUMNS, *(Column(COST_QUANTITIES[i].title, (COST_QUANTITIES[i].name,)) for i in measured))
    notes = []
    if measured:
        notes.append(
            "Of one round of its own, measured apart from the runs above. FLOPs by PyTorch's counter: those of a "
            "client are the mean of the clients, forward and backward; those of the server are of what it aggregates. "
            "Memory: on a GPU what torch held there, elsewhere the resident size of the whole process."
        )
    if missing:
        notes.append(f"Not measured: {', '.join(missing)}.")
    unmeasured = [
        f"{cost.label} on {cost.variant} ({cost.reason or cost.status})" for cost in comparison.costs if not cost.record
    ]
    if unmeasured:
        notes.append(f"No result: {', '.join(unmeasured)}.")
    return Table("costs", "Operations and memory", columns, rows, tuple(notes))


def seconds_table(comparison: Comparison) -> Table:
    """Seconds of a mean round by phase, median over seeds."""
    groups = comparison.groups()
    phases = tuple(dict.fromkeys(phase for _, _, cells in groups for cell in cells for phase in _seconds(cell)))
    rows = []
    for variant, label, cells in groups:
        found = [_seconds(cell) for cell in cells]
        values = [median(seconds.get(phase, 0.0) for seconds in found) for phase in phases]
        total = median(sum(seconds.values()) for seconds in found)
        rows.append((text_cell(variant), text_cell(label), *(number_cell(f"{v:.3g}", v) for v in (*values, total))))
    columns = (*KEY_COLUMNS, *(Column(f"{phase}, s", (f"{phase}-seconds",)) for phase in (*phases, "all")))
    notes = (
        "Of a mean round, median over seeds, as the server's clock saw them. Other work on the machine is in "
        "them: they rank nothing unless the machine was quiet.",
    )
    return Table("seconds", "Seconds per round", columns, tuple(rows), notes)


def _number(record: Record, path: tuple[str, ...]) -> float | None:
    value: object = record
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, int | float) else None


def _cell(quantity: CostQuantity, value: float | None) -> TableCell:
    return absent_cell() if value is None else number_cell(quantity.say(value), value)


def _seconds(cell: CellResult) -> dict[str, float]:
    """By phase, of a mean training round."""
    trained = [one.seconds for one in cell.rounds if one.t > 0]
    phases = dict.fromkeys(phase for seconds in trained for phase in seconds)
    return {phase: fmean(seconds.get(phase, 0.0) for seconds in trained) for phase in phases}
