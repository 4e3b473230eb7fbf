"""What one client counted for in the runs of a comparison, as a table."""

from florg_app.compare.report.communication import KEY_COLUMNS
from florg_app.compare.report.results import Comparison
from florg_app.pages.tables import Column, Table, absent_cell, number_cell, text_cell


def weights_table(comparison: Comparison) -> Table:
    """Make a table of the largest weight of one client, and of the rounds in which one was lowered, over all seeds."""
    rows = []
    for variant, label, cells in comparison.groups():
        known = [(cell.largest_share, cell.seed) for cell in cells if cell.largest_share is not None]
        largest, seed = max(known, key=lambda found: found[0]["share"], default=(None, 0))
        lowered = sum(cell.lowered_rounds for cell in cells)
        share = absent_cell() if largest is None else number_cell(f"{largest['share']:.3f}", largest["share"])
        where = (
            absent_cell(3)
            if largest is None
            else number_cell(
                f"{largest['partition']}, round {largest['round']}, seed {seed}",
                largest["partition"],
                largest["round"],
                seed,
            )
        )
        rows.append((text_cell(variant), text_cell(label), share, where, number_cell(str(lowered), lowered)))
    columns = (
        *KEY_COLUMNS,
        Column("largest weight", ("largest-share",)),
        Column("of partition", ("partition", "round", "seed")),
        Column("rounds with a lowered weight", ("lowered-rounds",)),
    )
    notes = (
        "The largest share of a round's weight that one client had, as the round was combined, and in how many rounds "
        "robust.max-share lowered one. Of secure sums nobody knows it.",
    )
    return Table("weights", "What one client counted for", columns, tuple(rows), notes)
