"""What a round sends, as tables; and the words for counts that other tables share."""

from collections.abc import Callable, Sequence
from statistics import median

from florg_app.compare.report.results import CellResult, Comparison
from florg_app.compare.report.traffic import Sent, per_round
from florg_app.pages.tables import Column, Table, TableCell, format_count, number_cell, text_cell
from florg_app.reports.summary import format_bytes
from strategies.exchange.traffic import Traffic

KEY_COLUMNS = (Column("variant", ("variant",)), Column("label", ("label",)))

TrafficQuantity = tuple[str, str]
"""A way, "up", "down" or "total", and a field of Traffic."""

_WAYS: dict[str, Callable[[Sent], Traffic]] = {
    "up": lambda sent: sent.up,
    "down": lambda sent: sent.down,
    "total": lambda sent: sent.total,
}
_TITLES = {
    "adapter_numbers": "adapter numbers",
    "head_numbers": "head numbers",
    "wire_bytes": "on the wire",
}
_ENDINGS = {"up": "up", "down": "down", "total": "up + down"}

TRAFFIC_QUANTITIES = tuple((way, name) for way in _WAYS for name in vars(Traffic()))


def traffic_value(quantity: TrafficQuantity, sent: Sent) -> int:
    way, name = quantity
    return getattr(_WAYS[way](sent), name)


def traffic_title(quantity: TrafficQuantity) -> str:
    way, name = quantity
    return f"{_TITLES[name]} {_ENDINGS[way]}"


def traffic_key(quantity: TrafficQuantity) -> str:
    """Its column in a CSV file."""
    return "-".join(quantity).replace("_", "-")


def traffic_text(quantity: TrafficQuantity, value: float) -> str:
    """For people: bytes with their unit, numbers shortened."""
    return format_bytes(value) if quantity[1].endswith("bytes") else format_count(value)


def round_cells(cells: Sequence[CellResult], quantities: Sequence[TrafficQuantity]) -> list[TableCell]:
    """These quantities of a mean round: the median over seeds."""
    sent = [per_round(cell) for cell in cells]
    values = [median(traffic_value(quantity, one) for one in sent) for quantity in quantities]
    return [
        number_cell(traffic_text(quantity, value), value) for quantity, value in zip(quantities, values, strict=True)
    ]


def round_table(comparison: Comparison) -> Table:
    """What a round sends, each way and part apart."""
    shown = [(way, name) for way in ("up", "down") for name in _TITLES]
    rows = tuple(
        (text_cell(variant), text_cell(label), *round_cells(cells, shown))
        for variant, label, cells in comparison.groups()
    )
    columns = (*KEY_COLUMNS, *(Column(traffic_title(quantity), (traffic_key(quantity),)) for quantity in shown))
    notes = (
        "Of all clients in a mean round, median over seeds. On the wire: payload with each array's header and name, as "
        "Flower moves it, without the transport's framing.",
    )
    return Table("per-round", "Sent in a round", columns, rows, notes)
