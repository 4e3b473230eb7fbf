"""A run as its folder tells of it: the round records, how it ended if it has, and its settings. Damage is said."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clients.regular_files import read_regular
from florg_app.checkpoints.checkpoint_file import read_checkpoint_header
from florg_app.checkpoints.file_names import checkpoints_of
from florg_app.reports.history import HISTORY, parse_history
from florg_app.reports.json_text import read_json_object
from florg_app.reports.report import SUMMARY
from florg_app.reports.summary import Record, summarise_run
from strategies.exchange.foreign_text import safe_text

COMPLETED, UNFINISHED = "completed", "unfinished"

FlatSettings = Mapping[str, bool | int | float | str]


class SummaryDocument(BaseModel):
    """What a report takes from summary.json; all the rest it adds up from the records itself."""

    model_config = ConfigDict(strict=True, extra="ignore")

    status: str
    reason: str = ""
    ended_early: str = Field("", alias="ended-early")
    resumed: list[dict[str, Any]] = []
    settings: dict[str, bool | int | float | str] = {}
    versions: dict[str, str] = {}
    hardware: dict[str, str] = {}
    seconds: dict[str, float | None] = {}


@dataclass(frozen=True)
class ReportedRun:
    """One run; `label` tells it from the others of the same report."""

    label: str
    folder: Path
    records: Sequence[Record]
    settings: FlatSettings
    summary: SummaryDocument | None
    """None of a run that has not come to its end, or whose summary is damaged."""
    damage: tuple[str, ...] = ()
    """What could not be read, in sentences."""

    @property
    def status(self) -> str:
        return self.summary.status if self.summary else UNFINISHED

    @property
    def rounds(self) -> Sequence[Record]:
        """The records but for that of round 0, in which nobody trains."""
        return [record for record in self.records if record["round"] > 0]

    @property
    def planned(self) -> int | None:
        """Rounds that it was to have; None where nobody knows."""
        found = self.settings.get("num-server-rounds")
        return found if isinstance(found, int) else None

    @cached_property
    def sums(self) -> Mapping[str, Any]:
        """What its records add up to, with the keys of summary.json."""
        return summarise_run(self.records, self.planned or 0)

    @property
    def title(self) -> str:
        """Say which method learned what."""
        names = [str(self.settings.get(key, "")) for key in ("strategy.name", "task.name")]
        return " on ".join(name for name in names if name) or self.label


ReportedRuns = Sequence[ReportedRun]
"""Of one report, in the order in which they were named."""


def read_reported_runs(folders: Sequence[Path]) -> tuple[ReportedRun, ...]:
    """Read the runs of these folders, labelled by what tells their paths apart. Raises ValueError where one is none."""
    given = [folder.absolute() for folder in folders]
    twice = [str(folder) for folder in dict.fromkeys(given) if given.count(folder) > 1]
    if twice:
        raise ValueError(f"{', '.join(twice)}: named twice; name each run once")
    return tuple(_read(folder, label) for folder, label in zip(given, _labels(given), strict=True))


def _labels(folders: Sequence[Path]) -> Iterator[str]:
    """Yield the last part of each path, and as many before it as tell it from the others."""
    for folder in folders:
        for length in range(1, len(folder.parts) + 1):
            ends = [other.parts[-length:] for other in folders]
            if ends.count(folder.parts[-length:]) == 1 or length == len(folder.parts):
                yield safe_text("/".join(folder.parts[-length:]).lstrip("/") or str(folder))
                break


def _read(folder: Path, label: str) -> ReportedRun:
    try:
        parsed = parse_history(read_regular(folder / HISTORY))
    except OSError as error:
        raise ValueError(
            f"{folder} holds no run: {HISTORY}: {error.strerror or error}; give the folder that `florg run` names"
        ) from error
    damage = [f"{len(parsed.rest)} lines of {HISTORY} are damaged and left out"] if parsed.rest else []
    damage += [f"{parsed.mended} lines of {HISTORY} were damaged and could be read"] if parsed.mended else []
    summary, problem = _summary(folder)
    settings = summary.settings if summary else _settings_of_checkpoint(folder)
    return ReportedRun(label, folder, parsed.records, settings, summary, (*damage, *problem))


def _summary(folder: Path) -> tuple[SummaryDocument | None, tuple[str, ...]]:
    """(the summary, what is wrong with it); nothing is where there is none yet."""
    try:
        return SummaryDocument.model_validate(read_json_object(folder / SUMMARY)), ()
    except FileNotFoundError:
        return None, ()
    except OSError as error:
        return None, (f"{SUMMARY} cannot be read: {error.strerror or error}",)
    except ValidationError as error:
        places = dict.fromkeys(".".join(map(str, problem["loc"])) for problem in error.errors())
        return None, (f"{SUMMARY} is damaged: {safe_text(', '.join(places), 200)}",)
    except ValueError:
        return None, (f"{SUMMARY} is damaged: it holds no JSON object",)


def _settings_of_checkpoint(folder: Path) -> FlatSettings:
    """The settings that the newest usable checkpoint names; none where there is none yet."""
    try:
        paths = checkpoints_of(folder)
    except OSError:
        return {}
    for path in paths:
        try:
            found = json.loads(read_checkpoint_header(path)["settings"])
        except (ValueError, LookupError, RecursionError):
            continue
        if isinstance(found, dict):
            return {str(k): v for k, v in found.items() if isinstance(v, bool | int | float | str)}
    return {}
