"""The picture of a plan: bytes of the run and memory, by method."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # not pyplot: it picks a display and keeps figures alive between runs
from matplotlib.ticker import FuncFormatter

from florg_app.plan.run_plan import RunPlan
from florg_app.reports.summary import format_bytes

_FIRST, _SECOND = "#0072B2", "#E69F00"  # of Okabe and Ito's palette; the second is hatched as well


def draw_plan(plan: RunPlan, path: Path) -> None:
    """Write a PNG. Raises OSError."""
    figure = Figure(figsize=(10, 1.8 + 0.36 * len(plan.plans)), layout="constrained", dpi=120)
    figure.suptitle(f"{plan.settings.model.name}: {plan.num_clients} clients, {plan.num_rounds} rounds")
    traffic, memory = figure.subplots(1, 2, sharey=True)
    names = [one.method for one in plan.plans]
    downs, ups = ([getattr(one, way).wire_bytes for one in plan.plans] for way in ("down", "up"))
    _bars(traffic, downs, ups, ("down", "up"), "bytes of the run")
    clients, servers = ([getattr(one, side).total for one in plan.plans] for side in ("client_memory", "server_memory"))
    _bars(memory, clients, servers, ("client", "server"), "most memory held")
    traffic.set_yticks(range(len(names)), names)
    traffic.invert_yaxis()
    figure.savefig(path, format="png")


def _bars(axes: Axes, first: list[int], second: list[int], labels: tuple[str, str], title: str) -> None:
    places = np.arange(len(first))
    axes.barh(places - 0.2, first, 0.4, color=_FIRST, label=labels[0])
    axes.barh(places + 0.2, second, 0.4, color=_SECOND, label=labels[1], hatch="///", edgecolor="white")
    axes.set_xlabel(title)
    if max([*first, *second], default=0) > 50 * min((value for value in [*first, *second] if value), default=1):
        axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_bytes(value)))
    axes.tick_params(axis="x", labelrotation=30)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
