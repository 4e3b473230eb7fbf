"""What a check found."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line of the report. A problem will make a run fail; a warning may surprise."""

    level: Level
    subject: str
    text: str
    remedy: str = ""
    """What to do; empty where all is well."""

    def __str__(self) -> str:
        line = f"{self.level:7}  {self.subject}: {self.text}"
        return f"{line}\n         -> {self.remedy}" if self.remedy else line


def finding_size(num_bytes: float) -> str:
    """1.5 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} TB"
