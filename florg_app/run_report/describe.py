"""Everything that the report of one run, or of several, says, in order; and the files that it is written into."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from florg_app.pages.page_files import write_document
from florg_app.pages.page_model import Document, Drawing, KeyFigure, Picture, ReportSection
from florg_app.pages.tables import Table
from florg_app.reports.best_round import best_state
from florg_app.reports.live_view import duration
from florg_app.reports.summary import format_bytes
from florg_app.run_report import run_tables
from florg_app.run_report.client_table import client_table, worst_client
from florg_app.run_report.cost_pictures import combination_drawings, cost_drawings, privacy_drawings
from florg_app.run_report.learning_pictures import learning_drawings
from florg_app.run_report.measured import bytes_so_far, main_score, score_points
from florg_app.run_report.origin import origin_table, settings_table
from florg_app.run_report.participation import participation_grid, refusal_table
from florg_app.run_report.reported_run import COMPLETED, UNFINISHED, ReportedRun, ReportedRuns
from florg_app.run_report.round_table import client_rounds, rounds_table
from strategies.exchange.foreign_text import safe_text


def write_run_report(directory: Path, runs: ReportedRuns) -> None:
    """Write the report of these runs into a folder. Raises OSError."""
    document, drawings = describe_runs(runs)
    write_document(directory, document, drawings)


def describe_runs(runs: ReportedRuns) -> tuple[Document, list[Drawing]]:
    """Return the whole report, and what draws its pictures."""
    groups = {
        "learned": list(learning_drawings(runs)),
        "combined": list(combination_drawings(runs)),
        "cost": list(cost_drawings(runs)),
        "privacy": list(privacy_drawings(runs)),
    }
    pictures = {name: tuple(picture for picture, _ in drawings) for name, drawings in groups.items()}
    clients = tuple(p for p in pictures["learned"] if p.name.startswith("client-losses-"))
    sections = [
        _section("What was learned", _learned(runs), tuple(p for p in pictures["learned"] if p not in clients)),
        _section("Who took part", _participation(runs), clients),
        _section("What was sent", [run_tables.traffic_table(runs, _score(runs))]),
        _section("How it was combined", [run_tables.combination_table(runs)], pictures["combined"]),
        _section("Time and memory", [run_tables.phase_table(runs), run_tables.memory_table(runs)], pictures["cost"]),
        _section("Privacy", [run_tables.privacy_table(runs)], pictures["privacy"]),
        _section("How it was run", [settings_table(runs), origin_table(runs)]),
    ]
    document = Document(
        runs[0].title if len(runs) == 1 else f"{len(runs)} runs side by side",
        "; ".join(_outline(run) for run in runs),
        tuple(text for run in runs for text in _alerts(run, len(runs) > 1)),
        tuple(section for section in sections if section.tables or section.pictures),
        (client_rounds(runs),),
        tuple(_key_figures(runs[0])) if len(runs) == 1 else (),
        pictures_first=True,
    )
    return document, [drawing for drawings in groups.values() for drawing in drawings]


def _section(title: str, tables: Sequence[Table], pictures: tuple[Picture, ...] = ()) -> ReportSection:
    """A section without what has nothing to show."""
    return ReportSection(title, tuple(table for table in tables if table.rows), pictures)


def _learned(runs: ReportedRuns) -> list[Table]:
    each = [rounds_table(run, *_named("rounds", "Round by round", index, runs)) for index, run in enumerate(runs)]
    return [run_tables.score_table(runs), *each]


def _participation(runs: ReportedRuns) -> list[Table]:
    grids = [
        participation_grid(run, *_named("participation", "Partitions by rounds", index, runs))
        for index, run in enumerate(runs)
    ]
    each = [client_table(run, *_named("clients", "Clients, the worst first", i, runs)) for i, run in enumerate(runs)]
    return [*grids, refusal_table(runs), *each]


def _named(name: str, title: str, index: int, runs: ReportedRuns) -> tuple[str, str]:
    """The name and the title of a table of one run, told from those of the others."""
    return (name, title) if len(runs) == 1 else (f"{name}-{index + 1}", f"{title}: {runs[index].label}")


def _score(runs: ReportedRuns) -> str | None:
    return next((name for run in runs if (name := main_score(run.records)) is not None), None)


def _outline(run: ReportedRun) -> str:
    """Say in a line how far a run came."""
    done = max((record["round"] for record in run.records), default=0)
    of = f"{done} of {run.planned}" if run.planned is not None else f"{done}"
    return f"{run.label}: {safe_text(run.status, 60)}, {of} rounds"


def _alerts(run: ReportedRun, several: bool) -> Iterator[str]:
    """Yield what a reader must know of a run before any number."""
    who = f"{run.label}: " if several else ""
    summary = run.summary
    if run.status == UNFINISHED:
        yield f"{who}UNFINISHED: it still goes on, or was ended before it could say how. These are its rounds so far."
    elif summary and run.status != COMPLETED:
        reason = f": {safe_text(summary.reason)}" if summary.reason else ""
        yield f"{who}{safe_text(run.status, 60).upper()}{reason}"
    if summary and summary.ended_early:
        yield f"{who}{safe_text(summary.ended_early)}"
    if not run.records:
        yield f"{who}No round is recorded."
    yield from (f"{who}{text}" for text in run.damage)
    if summary and summary.resumed:
        yield f"{who}Resumed {len(summary.resumed)} times, the last after round {summary.resumed[-1].get('after')}."


def _key_figures(run: ReportedRun) -> Iterator[KeyFigure]:
    """Yield the numbers of a single run that a reader looks for first."""
    sums = run.sums
    if (score := main_score(run.records)) is not None and (points := score_points(run.records, score)):
        best = best_state(run.records, score)
        detail = f"best {best.value:.3f} after round {best.t}" if best is not None and best.value is not None else ""
        yield KeyFigure(f"{score}, last", f"{points[max(points)]:.3f}", detail)
    uploads = sums["uploads"]
    if run.rounds:
        rejected = f"{uploads['rejected']} late or rejected"
        yield KeyFigure("uploads accepted", str(uploads["accepted"]), rejected)
        yield KeyFigure(
            "sent, both ways", format_bytes(max(bytes_so_far(run.records).values())), "all clients, on the wire"
        )
    if (worst := worst_client(run)) is not None:
        yield KeyFigure("worst client", f"partition {worst.partition}", f"loss {worst.above:+.3f} against the mean")
    if spent := sums["privacy"]:
        yield KeyFigure(
            "ε", f"{spent['epsilon']:.3g}" if spent["epsilon"] is not None else "–", f"δ {spent['delta']:g}"
        )
    total = run.summary.seconds.get("total") if run.summary else None
    seconds = total if total is not None else sum(sums["seconds"].values())
    yield KeyFigure("time", duration(seconds), "in all" if total is not None else "of the rounds")
    if memory := sums["peak-memory-bytes"]:
        yield KeyFigure("peak memory", format_bytes(max(memory.values())), "server or client")
