"""What a round costs in operations, memory and time, as tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean, median

from florg_app.compare.communication import KEYS
from florg_app.compare.results import Cell, Comparison, Record
from florg_app.compare.tables import Cell as TableCell
from florg_app.compare.tables import Column, Table, absent, count, number, words
from florg_app.reports.summary import size


@dataclass(frozen=True)
class Quantity:
    """A number of a round's record: where it lies, and how it is said."""

    title: str
    name: str
    path: tuple[str, ...]
    say: Callable[[float], str]


QUANTITIES = (
    Quantity("client FLOPs", "client-flops", ("train", "flops"), count),
    Quantity("server FLOPs", "server-flops", ("server-flops",), count),
    Quantity("client memory, peak", "client-peak-memory-bytes", ("train", "peak-memory-bytes"), size),
    Quantity("server memory, peak", "server-peak-memory-bytes", ("server-peak-memory-bytes",), size),
)


def cost_table(comparison: Comparison) -> Table:
    """FLOPs and peak memory of one round; a quantity that nobody measured has no column, and a note says so."""
    found = [(cost, [_number(cost.record, q.path) for q in QUANTITIES]) for cost in comparison.costs]
    measured = [i for i in range(len(QUANTITIES)) if any(values[i] is not None for _, values in found)]
    missing = [QUANTITIES[i].title for i in range(len(QUANTITIES)) if i not in measured]
    rows = tuple(
        (words(cost.variant), words(cost.label), *(_cell(QUANTITIES[i], values[i]) for i in measured))
        for cost, values in found
        if any(values[i] is not None for i in measured)
    )
    columns = (*KEYS, *(Column(QUANTITIES[i].title, (QUANTITIES[i].name,)) for i in measured))
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
        rows.append((words(variant), words(label), *(number(f"{v:.3g}", v) for v in (*values, total))))
    columns = (*KEYS, *(Column(f"{phase}, s", (f"{phase}-seconds",)) for phase in (*phases, "all")))
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


def _cell(quantity: Quantity, value: float | None) -> TableCell:
    return absent() if value is None else number(quantity.say(value), value)


def _seconds(cell: Cell) -> dict[str, float]:
    """By phase, of a mean training round."""
    trained = [one.seconds for one in cell.rounds if one.t > 0]
    phases = dict.fromkeys(phase for seconds in trained for phase in seconds)
    return {phase: fmean(seconds.get(phase, 0.0) for seconds in trained) for phase in phases}
