"""The tables of scores: final and best per label and variant, and how sure the order is."""

from collections.abc import Callable
from dataclasses import dataclass

from florg_app.compare.report.communication import KEY_COLUMNS, TrafficQuantity, round_cells, traffic_key
from florg_app.compare.report.results import HELD_OUT, VALIDATION, CellResult, Comparison
from florg_app.compare.report.significance import LEVEL, Ranking, Scores, rank, spread
from florg_app.pages.tables import ABSENT, Column, Table, TableCell, absent_cell, number_cell, text_cell

Measure = Callable[[CellResult], float]

_SENT: dict[TrafficQuantity, str] = {
    ("total", "adapter_numbers"): "adapter numbers",
    ("total", "head_numbers"): "head numbers",
    ("total", "wire_bytes"): "on the wire",
}


def score_measures(lower_is_better: bool) -> dict[str, Measure]:
    """The two numbers that stand for a run: the score of its last model, and the best of its rounds."""
    better = min if lower_is_better else max
    return {"final": lambda cell: cell.scores[-1], "best": lambda cell: better(cell.scores)}


@dataclass(frozen=True)
class RankedLabels:
    """The ranking of the labels of a variant that were scored on the same rows."""

    rows: str
    ranking: Ranking | None


def ranked_labels(comparison: Comparison, variant: str, measure: Measure) -> RankedLabels:
    """Scores on different rows are not compared: the rows that most labels were scored on are ranked, others not."""
    by_rows: dict[str, dict[str, Scores]] = {VALIDATION: {}}
    for label in comparison.labels:
        for cell in comparison.finished(variant, label):
            found = by_rows.setdefault(cell.rows, {})
            found[label] = {**found.get(label, {}), cell.seed: measure(cell)}
    rows = max(by_rows, key=lambda rows: len(by_rows[rows]))
    return RankedLabels(rows, rank(by_rows[rows], comparison.lower_is_better))


def main_table(comparison: Comparison) -> Table:
    """One row per variant and label, with what the label sends beside its scores."""
    found = score_measures(comparison.lower_is_better)
    ranks = {v: {name: ranked_labels(comparison, v, m) for name, m in found.items()} for v in comparison.targets}
    rows = []
    for variant, label, cells in comparison.groups():
        row = [text_cell(variant), text_cell(label), number_cell(str(len(cells)), len(cells))]
        row += [_score(cells, label, measure, ranks[variant][name]) for name, measure in found.items()]
        rows.append((*row, *round_cells(cells, tuple(_SENT)), text_cell(_scored_by(cells))))
    columns = (
        *KEY_COLUMNS,
        Column("seeds", ("seeds",)),
        *(_score_column(f"{name} {comparison.metric}", name) for name in found),
        *(Column(f"{title} per round", (f"{traffic_key(quantity)}-per-round",)) for quantity, title in _SENT.items()),
        Column("scored by, on", ("scored",)),
    )
    return Table("scores", f"Final and best {comparison.metric}", columns, tuple(rows), _notes(comparison))


MARKS = {
    "*": "*number*: significantly better than every other ranked label",
    "†": "†: the best mean, and every label not shown to be worse; with few seeds no evidence of equality",
    "‡": "‡: scored on other rows than most labels, and not ranked",
}
"""What a terminal says of each mark that it shows; the report says more."""


def legend(table: Table) -> list[str]:
    """Return a line for each mark that the table shows as text."""
    cells = [cell for row in table.rows for cell in row]
    shown = {mark for mark in "†‡" if any(mark in cell.text for cell in cells)}
    shown |= {"*"} if any(cell.strong for cell in cells) else set()
    return [line for mark, line in MARKS.items() if mark in shown]


def overview(comparison: Comparison) -> Table:
    """Final scores with a column for each variant."""
    final = score_measures(comparison.lower_is_better)["final"]
    ranks = {variant: ranked_labels(comparison, variant, final) for variant in comparison.targets}
    rows = []
    for label in comparison.labels:
        found = {variant: comparison.finished(variant, label) for variant in comparison.targets}
        scores = [_score(c, label, final, ranks[v]) if c else absent_cell(4) for v, c in found.items()]
        rows.append((text_cell(label), *scores))
    columns = (Column("label", ("label",)), *(_score_column(v, f"{v}-final") for v in comparison.targets))
    notes = ("The numbers and marks of the table of scores, one column for each variant.",)
    return Table("overview", f"Final {comparison.metric} by variant", columns, tuple(rows), notes)


def difference_table(comparison: Comparison) -> Table:
    """How far every label is behind the best of its variant, and whether that may be chance."""
    rows = []
    for variant in comparison.targets:
        for name, measure in score_measures(comparison.lower_is_better).items():
            rows += _behind(variant, name, ranked_labels(comparison, variant, measure))
    columns = (
        Column("variant", ("variant",)),
        Column("score", ("score",)),
        Column("best", ("best",)),
        Column("against", ("against",)),
        Column("seeds of both", ("common-seeds",)),
        Column("ahead by", ("difference-mean",)),
        Column("95 % interval", ("interval-low", "interval-high")),
        Column("p (Holm)", ("p-holm",)),
    )
    notes = (
        f"Paired t-tests of the best against each other label over the seeds of both, two-sided; p is adjusted by Holm "
        f"for their number within a variant and score, the interval is not. {ABSENT}: fewer than two common seeds, or "
        "differences without any spread; nothing can be tested then.",
    )
    return Table("differences", "How sure the order is", columns, tuple(rows), notes)


def _behind(variant: str, name: str, place: RankedLabels) -> list[tuple[TableCell, ...]]:
    if place.ranking is None:
        return []
    found = []
    for label, d in place.ranking.behind.items():
        low, high = d.interval or (None, None)
        found.append(
            (
                *(text_cell(text) for text in (variant, name, place.ranking.best, label)),
                number_cell(str(d.seeds), d.seeds),
                absent_cell() if d.mean is None else number_cell(f"{d.mean:+.3f}", d.mean),
                absent_cell(2) if low is None or high is None else number_cell(f"{low:+.3f} to {high:+.3f}", low, high),
                absent_cell() if d.p is None else number_cell(f"{d.p:.3f}", d.p, strong=d.significant),
            )
        )
    return found


def _score_column(title: str, name: str) -> Column:
    return Column(title, (f"{name}-mean", f"{name}-sd", f"{name}-seeds", f"{name}-standing"))


def _score(cells: list[CellResult], label: str, measure: Measure, place: RankedLabels) -> TableCell:
    found = spread([measure(cell) for cell in cells])
    text = f"{found.mean:.3f}" + ("" if found.sd is None else f" ± {found.sd:.3f}")
    if cells[0].rows != place.rows:
        return number_cell(f"{text} ‡", found.mean, found.sd, found.n, "other rows")
    if place.ranking is None:
        return number_cell(text, found.mean, found.sd, found.n, "")
    if place.ranking.among_best(label):
        return number_cell(f"{text} †", found.mean, found.sd, found.n, "among the best")
    leads = label == place.ranking.best
    return number_cell(text, found.mean, found.sd, found.n, "best" if leads else "", strong=leads)


def _scored_by(cells: list[CellResult]) -> str:
    return f"{'clients' if cells[0].by_clients else 'server'}, {cells[0].rows}"


def _notes(comparison: Comparison) -> tuple[str, ...]:
    notes = [
        "Mean ± sample standard deviation over seeds. Final: of the last model that was scored. Best: of the best "
        "round of each seed, chosen on the reported rows themselves and therefore optimistic.",
        f"Bold: significantly better than every other ranked label (paired t-tests over common seeds, "
        f"Holm-adjusted, {LEVEL}). †: the best mean, and every label not shown to be worse. With n seeds a test has "
        f"n - 1 degrees of freedom: with few seeds its power is small, and † is no evidence of equality.",
        "Numbers and bytes per round are of all clients, up and down together; labels that send the same compare at "
        "equal bytes.",
    ]
    cells = [cell for _, _, group in comparison.groups() for cell in group]
    if any(cell.by_clients for cell in cells):
        notes.append(
            "Scored by clients: each client scores the model that it uses itself, and the mean counts every client "
            "alike. They score what they receive, so that the model after the last round has no score."
        )
    if {cell.rows for cell in cells} == {HELD_OUT, VALIDATION}:
        notes.append(
            f"‡: scored on other rows than most labels ({HELD_OUT} by the clients, not {VALIDATION}, or the reverse), "
            "so that the number cannot be compared with theirs and is not ranked."
        )
    return (*notes, *_last_rounds(comparison))


def _last_rounds(comparison: Comparison) -> list[str]:
    """Where the final scores are of models after different rounds."""
    last: dict[int, dict[str, None]] = {}
    for _, label, cells in comparison.groups():
        for cell in cells:
            last.setdefault(max(cell.by_round), {})[label] = None
    if len(last) < 2:
        return []
    return [
        "Final scores are " + "; ".join(f"after round {t}: {', '.join(ls)}" for t, ls in sorted(last.items())) + "."
    ]
