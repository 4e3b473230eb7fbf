"""How pictures look, on light paper and on dark: one palette, and markers and lines that repeat what colour says."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.figure import Figure  # not pyplot: it picks a display and keeps figures alive between runs

# Okabe and Ito's palette without its yellow, which is too faint on white; on dark paper the same hues, lighter.
_ON_LIGHT = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#1a1d21")
_ON_DARK = ("#4DA8E8", "#F58B45", "#2FC79C", "#E5A3C8", "#F2BE4A", "#A6DBFA", "#f0f2f4")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p")
_LINES = ("-", "--", ":", "-.")
_HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo")

PANEL = (4.8, 3.0)
"""Inches of a picture with one panel, so that its letters can be read where a telephone shows it."""


@dataclass(frozen=True)
class Style:
    """How one of several things is drawn; by its place among them, so that it looks alike in every picture."""

    place: int

    @property
    def colour(self) -> str:
        return f"C{self.place % len(_ON_LIGHT)}"

    @property
    def marker(self) -> str:
        return _MARKERS[self.place % len(_MARKERS)]

    @property
    def line(self) -> str:
        return _LINES[self.place // len(_ON_LIGHT) % len(_LINES)]

    @property
    def hatch(self) -> str:
        return _HATCHES[self.place % len(_HATCHES)]

    @property
    def filled(self) -> dict[str, Any]:
        """Arguments of matplotlib's bars."""
        return {"color": self.colour, "hatch": self.hatch, "linewidth": 0}


@dataclass(frozen=True)
class DrawnPicture:
    """A picture as the files of a report have it."""

    light: bytes
    """SVG, as `dark`."""
    dark: bytes
    png: bytes
    """On light paper."""


def drawn(draw: Callable[[], Figure]) -> DrawnPicture:
    """Draw a picture for light and for dark paper; the same picture has the same bytes."""
    with matplotlib.rc_context(_LIGHT):
        figure = draw()
        png = _saved(figure, "png")
        figure.set_layout_engine("none")  # what the first drawing arranged holds for the second
        light = _saved(figure, "svg", metadata={"Date": None})
    with matplotlib.rc_context(_DARK):
        return DrawnPicture(light, _saved(draw(), "svg", metadata={"Date": None}), png)


def faint() -> str:
    """Return the colour of what stands behind the lines of a picture: targets, bounds."""
    return matplotlib.rcParams["xtick.color"]


def _saved(figure: Figure, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()


def _rc(ink: str, soft: str, paper: str, grid: str, colours: tuple[str, ...]) -> dict[Any, Any]:
    return {
        "svg.hashsalt": "florg",
        "text.parse_math": False,  # a name with $ in it is a name
        "figure.facecolor": paper,
        "savefig.facecolor": paper,
        "axes.facecolor": paper,
        "axes.edgecolor": soft,
        "axes.labelcolor": ink,
        "axes.titlecolor": ink,
        "axes.titlesize": 10.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 9,
        "axes.labelsize": 9.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.prop_cycle": cycler(color=colours),
        "grid.color": grid,
        "grid.linewidth": 0.7,
        "hatch.color": paper,
        "hatch.linewidth": 0.8,
        "text.color": ink,
        "xtick.color": soft,
        "ytick.color": soft,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "legend.fontsize": 9,
        "legend.frameon": False,
        "lines.linewidth": 1.8,
        "lines.markersize": 4.5,
    }


_LIGHT = _rc("#1a1d21", "#59626c", "#ffffff", "#e3e7eb", _ON_LIGHT)
_DARK = _rc("#e4e7ea", "#9aa4ae", "#1b1f23", "#343a40", _ON_DARK)
