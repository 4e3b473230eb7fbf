"""How each client of a run did, as a table, and the worst of them in words."""

from collections.abc import Mapping, Sequence

from florg_app.config.best_settings import OWN_SCORES
from florg_app.pages.tables import Column, Table, TableCell, absent_cell, number_cell
from florg_app.reports.summary import Record
from florg_app.run_report.attendance import Presence, attendances
from florg_app.run_report.client_losses import ClientStanding, client_losses, client_standings
from florg_app.run_report.reported_run import ReportedRun

_COUNTED = (
    ("asked", tuple(v for v in Presence if v is not Presence.IDLE)),
    ("accepted", (Presence.ACCEPTED, Presence.UNUSED)),
    ("late", (Presence.LATE,)),
    ("rejected", (Presence.REJECTED,)),
)


def client_table(run: ReportedRun, name: str, title: str) -> Table:
    """Say of each client how often it took part, and how its losses went; the worst first and in bold."""
    found, losses = attendances(run.records), client_losses(run.records)
    standings = {one.partition: one for one in client_standings(losses)}
    newest = {"rows": ("num-examples", "{:,.0f}")} | {f"last {own}": (own, "{:.3f}") for own in own_names(run.records)}
    measured = {what: (client_losses(run.records, key), form) for what, (key, form) in newest.items()}
    worst = worst_client(run)
    rows = []
    for p in [*standings, *(p for p in found if p not in standings)]:
        verdicts = [one.presence for one in found.get(p, {}).values()]
        counts = [sum(v in kinds for v in verdicts) for _, kinds in _COUNTED]
        one = standings.get(p)
        strong = worst is not None and p == worst.partition
        rows.append(
            (
                TableCell(str(p), (p,), strong=strong, number=True),
                *(number_cell(str(count), count) for count in counts),
                *(_newest(by_client.get(p), form) for by_client, form in measured.values()),
                *(_loss(value, "{:.3f}") for value in (one and one.first, one and one.last)),
                _loss(one and one.above, "{:+.3f}", strong),
            )
        )
    heads = (
        "partition",
        *(what for what, _ in _COUNTED),
        *measured,
        "first loss",
        "last loss",
        "loss against the mean",
    )
    columns = tuple(Column(head, (head.replace(" ", "-"),)) for head in heads)
    return Table(name, title, columns, tuple(rows), (worst_words(run),) if rows else ())


def worst_client(run: ReportedRun) -> ClientStanding | None:
    """Return the client that did worst; None where fewer than two said how they did."""
    standings = client_standings(client_losses(run.records))
    return standings[0] if len(standings) > 1 else None


def worst_words(run: ReportedRun) -> str:
    """Name the worst client, or say why nobody can be named."""
    worst = worst_client(run)
    if worst is None:
        return "No worst client can be named: fewer than two clients said their training loss."
    return (
        f"Worst client: partition {worst.partition}. Its training loss was on average {worst.above:.3f} above the mean "
        f"of the clients of its rounds, and {worst.last:.3f} in its last."
    )


def own_names(records: Sequence[Record]) -> list[str]:
    """Return the names of the scores that clients gave to their own models."""
    names = dict.fromkeys(
        name for record in records for metrics in (record.get("clients") or {}).values() for name in metrics
    )
    return [name for name in names if name.startswith(OWN_SCORES) and not name.endswith("-examples")]


def _newest(by_round: Mapping[int, float] | None, form: str) -> TableCell:
    return _loss(by_round[max(by_round)] if by_round else None, form)


def _loss(value: float | None, form: str, strong: bool = False) -> TableCell:
    return absent_cell() if value is None else number_cell(form.format(value).replace("-", "−"), value, strong=strong)
