"""Pictures of one panel: lines by round or by bytes, for all reports of runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FormatStrFormatter, LogLocator, MaxNLocator, NullFormatter

from florg_app.pages.page_model import Picture
from florg_app.pages.plot_style import PANEL, Style
from florg_app.run_report.measured import ByRound

LEGEND_LETTERS = 66
"""In a row of the legend, with room for the lines beside them."""
_MARKED = 40
"""ByRound from which on markers would hide their line."""


def titled_picture(name: str, title: str, text: str) -> Picture:
    """Describe a picture that `empty_panel` has given its title."""
    return Picture(name, title, text, titled=True)


_MAGNITUDES = 20
"""By so much the largest value is more than the smallest where an axis is logarithmic."""


@dataclass(frozen=True)
class DrawnLine:
    """One line of a panel; `band` is what lies around it, lowest and highest by round."""

    label: str
    points: ByRound
    style: Style
    band: Mapping[int, tuple[float, float]] | None = None


def empty_panel(title: str, y: str) -> tuple[Figure, Axes]:
    """Make a figure whose only panel has a title and a name for its upward axis."""
    figure = Figure(figsize=PANEL, layout="constrained", dpi=150)
    axes = figure.subplots()
    axes.set_title(title)
    axes.set_ylabel(y)
    return figure, axes


def line_panel(title: str, y: str, lines: Sequence[DrawnLine], x: str = "round", log: bool = False) -> Figure:
    """Draw lines by round; with `log` on a logarithmic axis where they are positive and of several magnitudes."""
    figure, axes = empty_panel(title, y)
    for line in lines:
        draw_line(axes, list(line.points), line)
    values = [value for line in lines for value in line.points.values()]
    if log and min(values) > 0 and max(values) > _MAGNITUDES * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=9))
        axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    finish_rounds(axes, x)
    place_legend(figure, axes)
    return figure


def draw_line(axes: Axes, xs: Sequence[float], line: DrawnLine) -> None:
    """Draw a line at these places, with its band."""
    if line.band:
        low, high = zip(*line.band.values(), strict=True)
        axes.fill_between(list(line.band), low, high, color=line.style.colour, alpha=0.18, linewidth=0)
    axes.plot(
        xs,
        list(line.points.values()),
        color=line.style.colour,
        linestyle=line.style.line,
        marker=line.style.marker if len(xs) <= _MARKED else "",
        label=line.label,
    )


def finish_rounds(axes: Axes, x: str = "round") -> None:
    """Have an axis of whole numbers."""
    axes.set_xlabel(x)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))


def finish_bytes(axes: Axes, which: str, text: str) -> None:
    """Have an axis of bytes."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(EngFormatter(unit="B", sep=" "))
    if which == "x":
        axes.set_xlabel(text)
        axis.set_major_locator(MaxNLocator(nbins=6))
    else:
        axes.set_ylabel(text)


def place_legend(figure: Figure, axes: Axes) -> None:
    """Put the legend below the panel, where it hides no line; of a single thing its own name is enough."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        columns = next(n for n in (4, 3, 2, 1) if n * (max(map(len, labels)) + 7) <= LEGEND_LETTERS or n == 1)
        figure.legend(handles, labels, loc="outside lower left", ncols=columns)
