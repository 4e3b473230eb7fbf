"""Pictures of how rounds went: the combination by group of layers, seconds by phase, memory, and ε."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from matplotlib.figure import Figure

from florg_app.pages.page_model import Drawing
from florg_app.pages.plot_style import Style
from florg_app.run_report.measured import ByRound, diagnosed, epsilons, peak_memory, seconds_by_phase
from florg_app.run_report.panels import (
    DrawnLine,
    empty_panel,
    finish_bytes,
    finish_rounds,
    line_panel,
    place_legend,
    titled_picture,
)
from florg_app.run_report.reported_run import ReportedRun, ReportedRuns

MOST_LINES = 8
"""Groups of layers, or runs and groups, in one picture."""


def combination_drawings(runs: ReportedRuns) -> Iterator[Drawing]:
    """Yield aggregation error, drift and spectrum, as far as the diagnostics have them."""
    errors = _by_group(runs, "aggregation-error")
    if errors:
        title = "Aggregation error"
        words = "How far the server's ΔW is from the mean of the clients', over the norm of that mean."
        yield titled_picture("aggregation-error", title, words), partial(line_panel, title, "relative error", errors)
    drift = _by_group(runs, "drift")
    if drift:
        unaligned = _by_group(runs, "drift-unaligned", " without alignment", len(drift)) if len(runs) == 1 else []
        words = "‖A after the round − A before it‖" + (
            ", and what it would be without alignment." if unaligned else "."
        )
        lines = [*drift, *unaligned]
        yield titled_picture("drift", "Drift of A", words), partial(line_panel, "Drift of A", "Frobenius norm", lines)
    spectrum = _spectrum(runs)
    if spectrum:
        title = "Spectrum of A Aᵀ"
        words = "Smallest and largest eigenvalue over the layers of a group."
        yield titled_picture("spectrum", title, words), partial(line_panel, title, "eigenvalue", spectrum, log=True)


def _by_group(runs: ReportedRuns, name: str, more: str = "", place: int = 0) -> list[DrawnLine]:
    found: list[tuple[str, ByRound]] = []
    for run in runs:
        for group, points in diagnosed(run.records, name).items():
            found.append((f"{run.label}, {group}" if len(runs) > 1 else f"{group}{more}", points))
    return [DrawnLine(label, points, Style(place + i)) for i, (label, points) in enumerate(found[:MOST_LINES])]


def _spectrum(runs: ReportedRuns) -> list[DrawnLine]:
    largest = _by_group(runs, "lambda-max", ", largest" if len(runs) == 1 else "")
    smallest = _by_group(runs, "lambda-min", ", smallest" if len(runs) == 1 else "", len(largest))
    if len(runs) == 1:
        return [*largest, *smallest]
    named = [(line, "largest") for line in largest] + [(line, "smallest") for line in smallest]
    return [DrawnLine(f"{line.label}, {which}", line.points, line.style) for line, which in named]


def cost_drawings(runs: ReportedRuns) -> Iterator[Drawing]:
    """Yield seconds and memory, of one run by round, of several by run."""
    if any(seconds_by_phase(run.records) for run in runs):
        if len(runs) == 1:
            words = "On the server; train is its wait for the clients."
            yield titled_picture("seconds", "Seconds by phase", words), partial(_seconds, runs[0])
        else:
            words = "Sums over the rounds, on the server; train is its wait for the clients."
            yield titled_picture("seconds", "Seconds by phase", words), partial(_seconds_of_runs, runs)
    memory = _memory_lines(runs)
    if memory:
        words = "The most that was held up to each round."
        yield titled_picture("memory", "Peak memory", words), partial(_memory, memory)


def privacy_drawings(runs: ReportedRuns) -> Iterator[Drawing]:
    """Yield what differential privacy had spent after each round."""
    found = [(run.label, epsilons(run.records)) for run in runs]
    lines = [DrawnLine(label, points, Style(index)) for index, (label, points) in enumerate(found) if points]
    if lines:
        words = "For the client that was asked most often."
        yield titled_picture("epsilon", "ε by round", words), partial(line_panel, "ε by round", "ε spent so far", lines)


def _seconds(run: ReportedRun) -> Figure:
    figure, axes = empty_panel("Seconds by phase", "seconds of the round")
    below: dict[int, float] = dict.fromkeys((record["round"] for record in run.records), 0.0)
    for place, (phase, points) in enumerate(seconds_by_phase(run.records).items()):
        style = Style(place)
        heights = [points.get(t, 0.0) for t in below]
        axes.bar(
            list(below),
            heights,
            0.8,
            list(below.values()),
            label=phase,
            **style.filled,
        )
        below = {t: bottom + points.get(t, 0.0) for t, bottom in below.items()}
    axes.grid(visible=False, axis="x")
    finish_rounds(axes)
    place_legend(figure, axes)
    return figure


def _seconds_of_runs(runs: ReportedRuns) -> Figure:
    figure, axes = empty_panel("Seconds by phase", "")
    sums = {run.label: {p: sum(points.values()) for p, points in seconds_by_phase(run.records).items()} for run in runs}
    left = dict.fromkeys(sums, 0.0)
    for place, phase in enumerate(dict.fromkeys(phase for found in sums.values() for phase in found)):
        widths, style = [found.get(phase, 0.0) for found in sums.values()], Style(place)
        axes.barh(
            list(sums),
            widths,
            0.65,
            list(left.values()),
            label=phase,
            **style.filled,
        )
        left = {label: start + sums[label].get(phase, 0.0) for label, start in left.items()}
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    axes.grid(visible=False, axis="y")
    place_legend(figure, axes)
    return figure


def _memory_lines(runs: ReportedRuns) -> list[DrawnLine]:
    found: Mapping[str, ByRound] = {
        who if len(runs) == 1 else f"{run.label}, {who}": points
        for run in runs
        for who, points in peak_memory(run.records).items()
        if len(runs) == 1 or who == "server"
    }
    return [DrawnLine(label, points, Style(place)) for place, (label, points) in enumerate(found.items())]


def _memory(lines: Sequence[DrawnLine]) -> Figure:
    figure = line_panel("Peak memory", "", lines)
    (axes,) = figure.axes
    finish_bytes(axes, "y", "bytes")
    axes.set_ylim(0, 1.15 * max(value for line in lines for value in line.points.values()))
    return figure
