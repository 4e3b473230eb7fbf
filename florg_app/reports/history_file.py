"""history.jsonl while a run writes it: whole lines only, whatever the disk does in between."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from florg_app.reports.history import HistoryEntry, write_history
from florg_app.reports.json_text import json_line


class HistoryFile:
    """The records of a run, in memory and on the disk; a new file that begins with `records`.

    Raises OSError where the file cannot be made.
    """

    def __init__(self, path: Path, records: Sequence[HistoryEntry]) -> None:
        self.records = list(records)
        self._path, self._unwritten = path, ""
        write_history(path, self.records)
        self._size = path.stat().st_size

    def append(self, record: dict[str, Any]) -> None:
        """Add a record. Raises OSError where the disk does not take it; it is then written with the next one."""
        self.records.append(record)
        self._unwritten += json_line(record)
        self.flush()

    def flush(self) -> None:
        """Put on the disk what is not there yet. Raises OSError, after which it can be tried again."""
        if not self._path.is_file() or self._path.stat().st_size < self._size:  # somebody else has been at it
            write_history(self._path, self.records)
            self._size = self._path.stat().st_size
        else:
            self._append()
        self._unwritten = ""

    def _append(self) -> None:
        with self._path.open("r+b") as file:
            file.truncate(self._size)  # the part of a line that a full disk took the last time
            file.seek(self._size)
            file.write(self._unwritten.encode())
            file.flush()
            os.fsync(file.fileno())
            self._size = file.tell()
