"""The rounds of a run one by one, and the numbers of each client in each, as tables."""

from collections.abc import Sequence
from typing import Any

from florg_app.pages.tables import Column, Table, TableCell, absent_cell, number_cell, text_cell
from florg_app.reports.live_view import counts
from florg_app.reports.summary import Record, evaluation_line, format_bytes
from florg_app.run_report.client_losses import Losses, client_losses, worst_of_round
from florg_app.run_report.measured import score_names
from florg_app.run_report.reported_run import ReportedRun


def rounds_table(run: ReportedRun, name: str, title: str) -> Table:
    """Say of every round who took part, the losses and scores, the worst client, bytes and seconds."""
    scores, losses = score_names(run.records), client_losses(run.records)
    private = any(record.get("privacy") for record in run.records)
    heads = [
        "round",
        "accepted",
        "late",
        "rejected",
        "training loss",
        *(f"evaluation {s}" if s == "loss" else s for s in scores),
    ]
    columns = [Column(head, (head.replace(" ", "-"),)) for head in heads]
    columns += [Column("worst client", ("worst-client",)), Column("its loss", ("its-loss",))]
    columns += [Column(way, (f"{way}-wire-bytes",)) for way in ("up", "down")]
    columns += [Column("ε", ("epsilon",))] if private else []
    columns.append(Column("seconds", ("seconds",)))
    rows = tuple(_round(record, scores, losses, private) for record in run.records)
    return Table(name, title, tuple(columns), rows)


def _round(record: Record, scores: Sequence[str], losses: Losses, private: bool) -> tuple[TableCell, ...]:
    asked, accepted, late, rejected = counts(record)
    measured = evaluation_line(record)
    worst = worst_of_round(losses, record["round"]) if asked else None
    sent = [(record.get(way) or {}).get("wire-bytes", 0) for way in ("up", "down")]
    spent = (record.get("privacy") or {}).get("epsilon")
    return (
        number_cell(str(record["round"]), record["round"]),
        number_cell(f"{accepted}/{asked}" if asked else "–", accepted),
        number_cell(str(late), late),
        number_cell(str(rejected), rejected),
        _number((record.get("train") or {}).get("loss")),
        *(_number(measured.get(score)) for score in scores),
        absent_cell() if worst is None else number_cell(str(worst[0]), worst[0]),
        _number(worst and worst[1]),
        *(number_cell(format_bytes(count), count) for count in sent),
        *([_number(spent, "{:.3g}")] if private else []),
        _number(sum((record.get("seconds") or {}).values()), "{:.1f}"),
    )


def client_rounds(runs: Sequence[ReportedRun]) -> Table:
    """List every number that a client reported, one row each: run, round, partition, name, value."""
    rows = tuple(
        tuple(text_cell(value) for value in (run.label, record["round"], partition, name, value))
        for run in runs
        for record in run.records
        for partition, metrics in (record.get("clients") or {}).items()
        for name, value in metrics.items()
        if name != "partition-id"
    )
    names = ("run", "round", "partition", "name", "value")
    title = "What each client reported in each round"
    return Table("client-rounds", title, tuple(Column(name, (name,)) for name in names), rows)


def _number(value: Any, form: str = "") -> TableCell:
    if value is None:
        return absent_cell()
    small = not form and value != 0 and abs(value) < 5e-4
    return number_cell((form or ("{:.0e}" if small else "{:.3f}")).format(value), value)
