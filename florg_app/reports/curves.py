"""The plot of a run: evaluation metrics and losses by round, and metrics by traffic."""

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure  # not pyplot: it picks a display and keeps figures alive between runs
from matplotlib.ticker import MaxNLocator

from florg_app.reports.summary import LOWER_IS_BETTER, Record, evaluation_line

Points = tuple[list[float], list[float]]

# Okabe and Ito's palette; shape of marker and line repeat what colour says.
_STYLES = (("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", "-."), ("#CC79A7", "D", ":"))


def draw_curves(records: Sequence[Record], path: Path, title: str) -> None:
    """Write a PNG of three panels; a metric that was never measured has no line. Raises OSError."""
    figure = Figure(figsize=(13, 4), layout="constrained", dpi=120)
    left, middle, right = figure.subplots(1, 3)
    figure.suptitle(title)
    rounds = [record["round"] for record in records]
    names = _scores(records)
    for index, name in enumerate(names):
        _plot(left, _points(rounds, records, _evaluated(name)), name, index)
    _label(left, "round", "score on the evaluation rows")
    losses = {
        "training on clients, mean of the round": _trained("loss"),
        "evaluation rows": _evaluated("loss"),
    }
    for index, (name, read) in enumerate(losses.items()):
        _plot(middle, _points(rounds, records, read), name, index)
    _label(middle, "round", "loss")
    for index, (name, ways) in enumerate({"up": ("up",), "up and down": ("up", "down")}.items()):
        for score in names[:1]:
            _plot(right, _points(_megabytes(records, ways), records, _evaluated(score)), name, index)
    _label(right, "MB sent by all clients and server so far", names[0] if names else "score")
    figure.savefig(path, format="png")


def _scores(records: Sequence[Record]) -> list[str]:
    """Names of the metrics of which more is better, in the order of their first appearance."""
    names = dict.fromkeys(name for record in records for name in evaluation_line(record))
    return [name for name in names if name not in LOWER_IS_BETTER]


def _evaluated(name: str) -> Callable[[Record], float | None]:
    return lambda record: evaluation_line(record).get(name)


def _trained(name: str) -> Callable[[Record], float | None]:
    return lambda record: (record.get("train") or {}).get(name)


def _megabytes(records: Sequence[Record], ways: Iterable[str]) -> list[float]:
    """Bytes on the wire since the first record, in MB (10^6)."""
    sent = (sum((record.get(way) or {}).get("wire-bytes", 0) for way in ways) / 1e6 for record in records)
    return list(accumulate(sent))


def _points(xs: Sequence[float], records: Sequence[Record], read: Callable[[Record], float | None]) -> Points:
    found = [(x, value) for x, record in zip(xs, records, strict=True) if (value := read(record)) is not None]
    return [x for x, _ in found], [y for _, y in found]


def _plot(axes: Axes, points: Points, label: str, index: int) -> None:
    if not points[0]:
        return
    colour, marker, line = _STYLES[index % len(_STYLES)]
    many = len(points[0]) > 40  # markers of a long run would hide its line
    axes.plot(*points, color=colour, linestyle=line, marker="" if many else marker, markersize=4, label=label)


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(frameon=False)
    if x == "round":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
