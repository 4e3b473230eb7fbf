"""history.jsonl: one record per round and line, and what can be made of a file that was damaged. A history is not worth
a run: what can be read is used, and the rest is put aside in a file beside it.
"""

import codecs
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clients.atomic_files import write_atomically
from clients.regular_files import read_regular
from florg_app.reports.history_record import HistoryRecord
from florg_app.reports.json_text import json_line, strict

HISTORY = "history.jsonl"

HistoryEntry = dict[str, Any]

_BOMS = {  # UTF-32 first: its mark begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}


@dataclass
class ParsedHistory:
    """What a file holds: the newest record of each round, ascending, and lines that are no records."""

    records: list[HistoryEntry] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    """Lines that are no records, and older records of a round that has a newer one."""
    mended: int = 0
    """Lines that were read although they were damaged: in another encoding, or run together."""


def parse_history(data: bytes) -> ParsedHistory:
    """Read the bytes of a history. A last line that a kill cut off is left out without a word."""
    parsed = ParsedHistory()
    by_round: dict[int, tuple[HistoryEntry, str]] = {}
    lines, torn = _lines(data, parsed)
    for line in lines:
        found = list(_records(line))
        if not found or None in found:
            parsed.rest.append(line)
        parsed.mended += len(found) > 1
        for record in filter(None, found):
            if (earlier := by_round.get(record["round"])) is not None:
                parsed.rest.append(earlier[1])
            by_round[record["round"]] = (record, json_line(record).rstrip("\n"))
    if torn and parsed.rest and parsed.rest[-1] == lines[-1]:
        parsed.rest.pop()
    parsed.records = [by_round[t][0] for t in sorted(by_round)]
    return parsed


def read_history(folder: Path) -> list[HistoryEntry]:
    """The round records of a run so far, as far as they can be read. Raises OSError where there is no file."""
    return parse_history(read_regular(folder / HISTORY)).records


def read_history_if_any(folder: Path) -> list[HistoryEntry]:
    """The same; nothing of a file that is not there or cannot be read."""
    try:
        return read_history(folder)
    except OSError:
        return []


def read_whole_history(folder: Path) -> list[HistoryEntry]:
    """The same of a run that is a result. Raises OSError, and ValueError where a part of the file cannot be read."""
    parsed = parse_history(read_regular(folder / HISTORY))
    if parsed.rest:
        raise ValueError(f"{len(parsed.rest)} lines of {folder / HISTORY} are damaged")
    return parsed.records


def rescue_history(folder: Path, aside: Path) -> tuple[list[HistoryEntry], list[str]]:
    """(the records of a run, what was done about damage in words); the rest goes to a new file in the folder `aside`.

    No file is an empty history. Raises OSError where the rest cannot be written.
    """
    path = folder / HISTORY
    if not path.exists() and not path.is_symlink():
        return [], []
    try:
        parsed = parse_history(read_regular(path))
    except OSError as error:
        if folder == aside:
            path.rename(_free_name(aside))
        return [], [f"{path} cannot be read ({error}), and is put aside"]
    notes = [f"{path}: {parsed.mended} damaged lines could be read"] if parsed.mended else []
    if parsed.rest:
        file = _free_name(aside)
        text = "".join(f"{line}\n" for line in parsed.rest)
        write_atomically(file, lambda temporary: temporary.write_bytes(text.encode("utf-8", "backslashreplace")))
        notes.append(f"{path}: {len(parsed.rest)} lines are no records of rounds, or older ones; they are in {file}")
    return parsed.records, notes


def write_history(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write a whole history. Raises OSError."""
    write_atomically(path, lambda temporary: temporary.write_text("".join(map(json_line, records)), encoding="ascii"))


def _lines(data: bytes, parsed: ParsedHistory) -> tuple[list[str], bool]:
    """The lines that are not empty, split at \\n alone, and whether the last one has no end."""
    encoding = next((name for mark, name in _BOMS.items() if data.startswith(mark)), None)
    if encoding is not None:
        text = data.decode(encoding, "replace")
        lines = text.split("\n")
        parsed.mended += len(lines) - 1
    else:
        lines = [_decoded(line, parsed) for line in data.split(b"\n")]
    torn = bool(lines[-1])
    return [stripped for line in lines if (stripped := line.strip("\0 \t\r"))], torn


def _decoded(line: bytes, parsed: ParsedHistory) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        parsed.mended += 1
        return line.decode("latin-1")  # JSON's own characters are the same there; texts may be garbled


def _records(line: str) -> Iterator[HistoryEntry | None]:
    """The records of a line, of which there should be one; None for what is none and all behind it."""
    decoder, position = json.JSONDecoder(), 0
    while position < len(line):
        try:
            value, position = decoder.raw_decode(line, position)
            record = strict(value)
            HistoryRecord.model_validate(record)
        except (ValueError, RecursionError, ValidationError):
            yield None
            return
        yield record
        while position < len(line) and line[position] in "\0 \t\r":
            position += 1


def _free_name(folder: Path) -> Path:
    """Of the file beside a history that takes what is no history."""
    number = 1
    while (path := folder / f"history-damaged-{number}.jsonl").exists() or path.is_symlink():
        number += 1
    return path
