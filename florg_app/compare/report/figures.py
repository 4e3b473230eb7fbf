"""The pictures of a comparison: scores against rounds, against bytes, and final scores against bytes per round."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # not pyplot: it picks a display and keeps figures alive between runs
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter
from matplotlib.transforms import ScaledTranslation

from florg_app.compare.report.curve import Curve, curve
from florg_app.compare.report.results import CellResult, Comparison
from florg_app.compare.report.traffic import per_round
from florg_app.pages.page_model import Drawing, Picture
from florg_app.pages.plot_style import Style, faint

ROUNDS_PICTURE = Picture(
    "rounds",
    "Score against rounds",
    "Mean over seeds; the band goes from the lowest to the highest seed. Dotted: targets.",
)
BYTES_PICTURE = Picture(
    "bytes",
    "Score against bytes",
    "The same means and bands against what all clients and the server have sent by then, on the wire, both ways. The "
    "axis is logarithmic, so that the score before the first round is not on it; a label that sends nothing is a level "
    "line at its final score.",
)
EQUAL_BYTES_PICTURE = Picture(
    "equal-bytes",
    "Final score against bytes per round",
    "Mean over seeds, with the lowest and the highest. Labels at the same place on the axis send the same in a round, "
    "and are drawn a little beside each other; one that sends nothing is a level line.",
)

Plot = Callable[[Axes, Sequence[CellResult], Style], Artist]
"""Draws the cells of one label and variant, and returns what stands for them in the legend."""
Finish = Callable[[Axes, Sequence[float]], None]
"""Draws the targets and the axis."""


def draw_comparison(comparison: Comparison) -> Iterator[Drawing]:
    """All pictures; none where no cell is finished."""
    views: tuple[tuple[Picture, Plot, Finish], ...] = (
        (ROUNDS_PICTURE, _against_rounds, _by_rounds),
        (BYTES_PICTURE, _against_bytes, _by_bytes),
        (EQUAL_BYTES_PICTURE, _final, _by_round_bytes),
    )
    if comparison.groups():
        for picture, plot, finish in views:
            yield replace(picture, across=_across(comparison)), partial(_panels, comparison, plot, finish)


def _variants(comparison: Comparison) -> list[str]:
    return list(dict.fromkeys(variant for variant, _, _ in comparison.groups()))


def _across(comparison: Comparison) -> int:
    """Panels side by side."""
    number = len(_variants(comparison))
    return 2 if number == 4 else min(number, 3)


def _panels(comparison: Comparison, plot: Plot, finish: Finish) -> Figure:
    """One panel for each variant, one legend for all."""
    variants, across = _variants(comparison), _across(comparison)
    down = math.ceil(len(variants) / across)
    figure = Figure(figsize=(max(5.4, 4.6 * across), 3.2 * down + 0.6), layout="constrained", dpi=150)
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    handles: dict[str, Artist] = {}
    for panel, variant in zip(panels, variants, strict=False):
        for index, label in enumerate(comparison.labels):
            cells = comparison.finished(variant, label)
            if cells:
                handles.setdefault(label, plot(panel, cells, Style(index)))
        panel.set_title(variant)
        panel.set_ylabel(comparison.metric)
        finish(panel, comparison.targets[variant])
    for panel in panels[len(variants) :]:
        panel.remove()
    names = [label for label in comparison.labels if label in handles]
    columns = min(len(names), 2 + 2 * across)
    figure.legend([handles[name] for name in names], names, loc="outside lower center", ncols=columns)
    return figure


def _against_rounds(panel: Axes, cells: Sequence[CellResult], style: Style) -> Artist:
    found = curve(cells)
    return _band(panel, found.rounds, found, style)


def _against_bytes(panel: Axes, cells: Sequence[CellResult], style: Style) -> Artist:
    found = curve(cells)
    if not any(found.sent):
        return _level(panel, fmean(cell.scores[-1] for cell in cells), style)
    return _band(panel, [sent if sent > 0 else math.nan for sent in found.sent], found, style)


def _final(panel: Axes, cells: Sequence[CellResult], style: Style) -> Artist:
    finals = [cell.scores[-1] for cell in cells]
    mean = fmean(finals)
    sent = fmean(per_round(cell).total.wire_bytes for cell in cells)
    if not sent:
        return _level(panel, mean, style)
    drawn = panel.errorbar(
        sent,
        mean,
        [[mean - min(finals)], [max(finals) - mean]],
        color=style.colour,
        marker=style.marker,
        markersize=6,
        capsize=2.5,
    )
    # Beside each other, in points: labels that send the same would otherwise hide each other.
    aside = ScaledTranslation((style.place % 7 - 3) * 3 / 72, 0, panel.figure.dpi_scale_trans)
    for artist in drawn.get_children():
        artist.set_transform(artist.get_transform() + aside)
    return drawn.lines[0]


def _band(panel: Axes, xs: Sequence[float], found: Curve, style: Style) -> Artist:
    panel.fill_between(xs, found.low, found.high, color=style.colour, alpha=0.15, linewidth=0)
    every = max(1, len(xs) // 12)  # markers of a long run would hide its line
    (line,) = panel.plot(
        xs,
        found.mean,
        color=style.colour,
        marker=style.marker,
        linestyle=style.line,
        markersize=4.5,
        linewidth=1.6,
        markevery=every,
    )
    return line


def _level(panel: Axes, score: float, style: Style) -> Artist:
    """What is scored without sending anything, and so lies nowhere on an axis of bytes."""
    return panel.axhline(score, color=style.colour, linestyle="--", linewidth=1.6)


def _by_rounds(panel: Axes, targets: Sequence[float]) -> None:
    _target_lines(panel, targets)
    panel.set_xlabel("round")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))


def _by_bytes(panel: Axes, targets: Sequence[float]) -> None:
    _target_lines(panel, targets)
    _bytes_axis(panel, "sent so far by clients and server")


def _by_round_bytes(panel: Axes, targets: Sequence[float]) -> None:
    panel.margins(0.15)
    _bytes_axis(panel, "sent in a round by clients and server")


def _target_lines(panel: Axes, targets: Sequence[float]) -> None:
    for target in targets:
        panel.axhline(target, color=faint(), linestyle=(0, (1, 2)), linewidth=1, zorder=1)


def _bytes_axis(panel: Axes, text: str) -> None:
    panel.set_xlabel(text)
    if not 0 < panel.dataLim.x1 < math.inf:  # nobody sent anything
        panel.set_xticks([])
        return
    panel.set_xscale("log")
    low, high = panel.get_xlim()
    between = (1.0, 2.0, 5.0) if high < 50 * low else (1.0,)
    panel.xaxis.set_major_locator(LogLocator(subs=between, numticks=8))
    panel.xaxis.set_major_formatter(EngFormatter(unit="B"))
    panel.xaxis.set_minor_formatter(NullFormatter())
