"""Pictures of what was learned: scores and losses by round, scores by bytes, and the losses of single clients."""

from collections.abc import Iterator
from functools import partial

from matplotlib.figure import Figure

from florg_app.pages.page_model import Drawing
from florg_app.pages.plot_style import Style, faint
from florg_app.reports.summary import LOWER_IS_BETTER
from florg_app.run_report.client_losses import client_losses, round_means
from florg_app.run_report.client_table import worst_client
from florg_app.run_report.measured import bytes_so_far, main_score, score_names, score_points, training_losses
from florg_app.run_report.panels import (
    DrawnLine,
    draw_line,
    empty_panel,
    finish_bytes,
    finish_rounds,
    line_panel,
    place_legend,
    titled_picture,
)
from florg_app.run_report.reported_run import ReportedRun, ReportedRuns

MOST_SCORES = 4
"""Scores in one picture."""


def learning_drawings(runs: ReportedRuns) -> Iterator[Drawing]:
    """Yield the pictures for which there are numbers."""
    lines = _score_lines(runs)
    score = next((name for run in runs if (name := main_score(run.records)) is not None), None)
    if lines:
        y = str(score) if len(runs) > 1 else "score"
        picture = titled_picture(
            "scores", "Scores by round", "Of the model after each round; round 0 is before training."
        )
        yield picture, partial(line_panel, "Scores by round", y, lines)
    losses = _loss_lines(runs)
    if losses:
        title = "Losses by round" if len(runs) == 1 else "Training losses by round"
        words = "Training: mean of the round's clients by their rows."
        if len(runs) == 1:
            words += " The band goes from the lowest to the highest client. Evaluation: of the model after the round."
        yield titled_picture("losses", title, words), partial(line_panel, title, "loss", losses)
    evaluated = [(run.label, score_points(run.records, "loss")) for run in runs if len(runs) > 1]
    evaluated = [DrawnLine(label, points, Style(i)) for i, (label, points) in enumerate(evaluated) if points]
    if evaluated:
        title = "Evaluation losses by round"
        picture = titled_picture("evaluation-losses", title, "Of the model after each round.")
        yield picture, partial(line_panel, title, "loss", evaluated)
    if score is not None and any(_sent(run, score) for run in runs):
        words = "On the wire, both ways, all clients together."
        yield titled_picture("bytes", f"{score.capitalize()} by bytes", words), partial(_by_bytes, runs, score)
    for index, run in enumerate(runs):
        if len(client_losses(run.records)) > 1:
            title = "Losses by client" + (f", {run.label}" if len(runs) > 1 else "")
            words = "Mean training loss of each client in each round. The worst one is named."
            name = "client-losses" + (f"-{index + 1}" if len(runs) > 1 else "")
            yield titled_picture(name, title, words), partial(_clients, run, title)


def _score_lines(runs: ReportedRuns) -> list[DrawnLine]:
    """Of one run all scores of which more is better, of several the first, each run a line."""
    if len(runs) == 1:
        names = [name for name in score_names(runs[0].records) if name not in LOWER_IS_BETTER][:MOST_SCORES]
        found = [(name, score_points(runs[0].records, name)) for name in names]
    else:
        score = next((name for run in runs if (name := main_score(run.records)) is not None), "")
        found = [(run.label, score_points(run.records, score)) for run in runs]
    return [DrawnLine(label, points, Style(index)) for index, (label, points) in enumerate(found) if points]


def _loss_lines(runs: ReportedRuns) -> list[DrawnLine]:
    if len(runs) > 1:
        found = [(run.label, training_losses(run.records)) for run in runs]
        return [DrawnLine(label, points, Style(index)) for index, (label, points) in enumerate(found) if points]
    by_client = client_losses(runs[0].records)
    rounds = round_means(by_client)
    around = {t: [by[t] for by in by_client.values() if t in by] for t in rounds}
    band = {t: (min(losses), max(losses)) for t, losses in around.items()}
    lines = [
        DrawnLine("training, mean", training_losses(runs[0].records), Style(0), band),
        DrawnLine("evaluation", score_points(runs[0].records, "loss"), Style(1)),
    ]
    return [line for line in lines if line.points]


def _sent(run: ReportedRun, score: str) -> dict[float, float]:
    """The score by what had been sent."""
    sent = bytes_so_far(run.records)
    return {sent[t]: value for t, value in score_points(run.records, score).items()}


def _by_bytes(runs: ReportedRuns, score: str) -> Figure:
    figure, axes = empty_panel(f"{score.capitalize()} by bytes", score)
    for index, run in enumerate(runs):
        found = _sent(run, score)
        if found:
            points = dict(enumerate(found.values()))
            draw_line(axes, list(found), DrawnLine(run.label, points, Style(index)))
    finish_bytes(axes, "x", "sent so far by clients and server")
    if len(runs) > 1:
        place_legend(figure, axes)
    return figure


def _clients(run: ReportedRun, title: str) -> Figure:
    figure, axes = empty_panel(title, "training loss")
    losses, worst = client_losses(run.records), worst_client(run)
    for partition, by_round in losses.items():
        if worst is None or partition != worst.partition:
            axes.plot(list(by_round), list(by_round.values()), color=faint(), alpha=0.45, linewidth=1)
    axes.plot([], [], color=faint(), alpha=0.6, linewidth=1, label="the other clients")
    if worst is not None:
        line = DrawnLine(f"worst: partition {worst.partition}", dict(losses[worst.partition]), Style(1))
        draw_line(axes, list(line.points), line)
    draw_line(axes, list(round_means(losses)), DrawnLine("mean of the clients", round_means(losses), Style(0)))
    finish_rounds(axes)
    place_legend(figure, axes)
    return figure
