"""The text of a file: unpacked, decoded by its byte order mark, with bytes that are no text kept apart."""

import bz2
import codecs
import gzip
import lzma
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from florg_app.tasks.files.wording import BadCell, DataError

UNPACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
}
"""By the ending of packed texts."""

_PACKERS: Mapping[str, str] = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz"}

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 256
"""Bytes that are looked at for the zeros that UTF-16 has in every other place."""


@dataclass(frozen=True)
class FileText:
    """What a text file says."""

    text: str
    escaped: bool
    """Whether bytes that are not UTF-8 stand in it as surrogates, U+DC80 to U+DCFF."""

    def bad_byte(self, part: str) -> str:
        """What is wrong with a part of the text that holds such a byte, in words that can follow it; else empty."""
        if not self.escaped:
            return ""
        byte = next((ord(sign) - 0xDC00 for sign in part if "\udc80" <= sign <= "\udcff"), None)
        return "" if byte is None else f"holds the byte 0x{byte:02x}: it is not UTF-8 text; save the file as UTF-8"

    def cell(self, value: str) -> str | BadCell:
        """The value, or what stands for one that was not decoded."""
        problem = self.bad_byte(value)
        return BadCell(problem) if problem else value


def read_text(path: Path) -> FileText:
    """The text of a file, of a packed one where its name ends as UNPACKERS say.

    UTF-8, or UTF-16 or UTF-32 where a byte order mark says so; the mark is no part of the text. Raises DataError where
    it is none of these or has no text, and OSError.
    """
    data = path.read_bytes()
    ending = path.suffix.lower()
    if ending in UNPACKERS:
        data = _unpacked(data, ending)
    if not data.removeprefix(codecs.BOM_UTF8).strip():
        raise DataError("is empty: it has no text")
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding is not None:
        try:
            return FileText(data.decode(encoding, "surrogatepass").lstrip("\ufeff"), False)
        except UnicodeDecodeError as error:
            name = encoding.upper()
            raise DataError(f"begins as {name}, but is broken at byte {error.start}; save it as UTF-8") from error
    if _zeros(data[1:_SAMPLE:2]) or _zeros(data[0:_SAMPLE:2]):
        raise DataError("seems to be UTF-16 without a byte order mark; save it as UTF-8")
    try:
        return FileText(data.decode("utf-8").lstrip("\ufeff"), False)
    except UnicodeDecodeError:
        return FileText(data.decode("utf-8", "surrogateescape").lstrip("\ufeff"), True)


def _zeros(places: bytes) -> bool:
    """Whether most of these bytes are zero."""
    return 2 * places.count(0) > len(places) > 0


def _unpacked(data: bytes, ending: str) -> bytes:
    try:
        return UNPACKERS[ending](data)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"cannot be unpacked ({error}); is it whole, and packed by {_PACKERS[ending]}?") from error
