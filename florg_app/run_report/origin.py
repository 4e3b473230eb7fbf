"""Where the runs of a report come from: the settings that are not the defaults, versions and processors."""

from collections.abc import Sequence

from florg_app.config.flat import to_toml
from florg_app.config.parse import default_settings
from florg_app.pages.tables import ABSENT, Column, Table, TableCell, text_cell
from florg_app.run_report.reported_run import ReportedRun
from florg_app.run_report.runs_table import run_columns, runs_table
from strategies.exchange.foreign_text import LONGEST_NAME, safe_text

PLACE_SETTINGS = frozenset({"output-dir", "resume-from"})
"""Settings that say where a run lies, not what it is."""


def settings_table(runs: Sequence[ReportedRun]) -> Table:
    """List the settings that some run has otherwise than the defaults; in bold what is not the same in all runs."""
    defaults = default_settings()
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    rows = []
    for key in (key for key in keys if key not in PLACE_SETTINGS):
        values = [run.settings.get(key) for run in runs]
        if any(value is not None and value != defaults.get(key) for value in values):
            differs = len({(type(value), value) for value in values}) > 1
            rows.append(
                (
                    text_cell(safe_text(key, LONGEST_NAME)),
                    text_cell(_written(defaults.get(key))),
                    *(TableCell(_written(value), (value,), strong=differs) for value in values),
                )
            )
    columns = (Column("setting", ("setting",)), Column("default", ("default",)), *run_columns(runs))
    notes = (
        (f"{ABSENT}: no setting of its method.",)
        if any(None in row[i].values for row in rows for i in range(2, len(row)))
        else ()
    )
    return Table("settings", "Settings that differ from the defaults", columns, tuple(rows), notes)


def origin_table(runs: Sequence[ReportedRun]) -> Table:
    """Say which versions computed the runs, on what."""
    found = [{**run.summary.versions, **run.summary.hardware} if run.summary else {} for run in runs]
    by_run = dict(zip((run.label for run in runs), found, strict=True))
    keys = dict.fromkeys(key for origin in found for key in origin)
    rows = [
        (safe_text(key, LONGEST_NAME), "", lambda run, key=key: _safe(by_run[run.label].get(key)), str) for key in keys
    ]
    return runs_table("origin", "Versions and processors", runs, rows)


def _safe(text: str | None) -> str | None:
    return None if text is None else safe_text(text, 200)


def _written(value: object) -> str:
    return ABSENT if value is None else safe_text(to_toml(value))
