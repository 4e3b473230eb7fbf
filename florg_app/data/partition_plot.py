"""The picture of a division: sizes of the clients as bars, and below how many rows of each value each of them has."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # not pyplot: it picks a display and keeps figures alive between runs
from matplotlib.ticker import MaxNLocator

from florg_app.data.partition_table import PartitionTable

MOST_VALUES = 30
"""Rows of the picture; the rarer values are one more."""

MOST_NUMBERED = 25
"""Clients whose numbers of rows are written into the picture."""

_TRAIN, _HELD_OUT = "#0072B2", "#E69F00"  # of Okabe and Ito's palette; the held-out part is hatched as well


def draw_partition(division: PartitionTable, path: Path, title: str) -> None:
    """Write a PNG; of a task without labels it has the sizes alone. Raises OSError."""
    shown = division.shortened(MOST_VALUES)
    num_clients, num_values = shown.counts.shape
    width = float(np.clip(1.5 + 0.16 * num_clients, 7, 20))
    row = 0.62 if num_clients <= MOST_NUMBERED else 0.3
    below = row * max(num_values, 2) if num_values else 0.0
    figure = Figure(figsize=(width, 3.4 + below), layout="constrained", dpi=120)
    figure.suptitle(title)
    if num_values:
        sizes, counts = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, below])
        _bubbles(counts, shown, width, row)
    else:
        sizes = counts = figure.subplots()
    _bars(sizes, shown)
    counts.set_xlabel("client")
    counts.set_xlim(-0.7, num_clients - 0.3)
    counts.xaxis.set_major_locator(MaxNLocator(nbins=25, integer=True))
    figure.savefig(path, format="png")


def _bars(axes: Axes, division: PartitionTable) -> None:
    clients, (train, held_out) = np.arange(len(division.sizes)), division.sizes.T
    axes.bar(clients, train, color=_TRAIN, label="to train on")
    if held_out.any():
        axes.bar(clients, held_out, bottom=train, color=_HELD_OUT, hatch="///", edgecolor="white", label="held out")
        axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    axes.set_ylabel("rows")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.spines[["top", "right"]].set_visible(False)


def _bubbles(axes: Axes, division: PartitionTable, width: float, row: float) -> None:
    """The area of a circle is the number of rows, written below it where there is room; inches for a value: `row`."""
    clients, values = np.nonzero(division.counts)
    rows = division.counts[clients, values]
    num_clients, num_values = division.counts.shape
    cell = 72 * min(0.8 * width / num_clients, 0.6 * row)
    axes.scatter(clients, values, s=np.maximum(cell**2 * rows / rows.max(), 3), color=_TRAIN, linewidths=0)
    for client, value, number in zip(clients, values, rows, strict=True) if num_clients <= MOST_NUMBERED else ():
        place = {"xytext": (0, -cell / 2 - 1), "textcoords": "offset points", "ha": "center", "va": "top"}
        axes.annotate(f"{number:,}", (client, value), **place, fontsize=7, color="#444444")
    axes.set_yticks(range(num_values), division.values)
    axes.set_ylim(num_values - 0.35, -0.6)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
