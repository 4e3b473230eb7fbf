"""READERS: which files can be read, by their endings; what cannot be read is said."""

from collections.abc import Callable, Mapping
from pathlib import Path

from florg_app.tasks.files.columnar import read_parquet
from florg_app.tasks.files.delimited import read_csv, read_tsv
from florg_app.tasks.files.json_rows import read_json, read_jsonl
from florg_app.tasks.files.table import FileTable
from florg_app.tasks.files.text_file import PACKED
from florg_app.tasks.files.wording import DataError

Reader = Callable[[Path], FileTable]
Readers = Mapping[str, Reader]
"""By the ending of a file's name."""

TEXT_READERS: Readers = {".csv": read_csv, ".tsv": read_tsv, ".jsonl": read_jsonl, ".json": read_json}


def with_packed(readers: Readers) -> Readers:
    """These readers of texts, also under the endings of files that gzip packed."""
    return {**readers, **{f"{kind}{PACKED}": read for kind, read in readers.items()}}


READERS: Readers = {".parquet": read_parquet, **with_packed(TEXT_READERS)}

_PARQUET, _GZIP = "a parquet file", "gzip-compressed"

SIGNATURES: Mapping[bytes, str] = {
    b"PAR1": _PARQUET,
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\x1f\x8b": _GZIP,
    b"BZh": "bzip2-compressed",
    b"\xfd7zXZ\x00": "xz-compressed",
    b"\x28\xb5\x2f\xfd": "zstd-compressed",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3": "an SQLite database",
}
"""What files begin with, whatever their ending says."""


def read_file(path: Path, kind: str, readers: Readers) -> FileTable:
    """The table of a file of this ending. Raises DataError where it cannot be read or is not what its ending says."""
    try:
        start = b"" if path.is_dir() else _first_bytes(path)
        found = next((what for signature, what in SIGNATURES.items() if start.startswith(signature)), None)
        if found is not None and (found, kind) != (_PARQUET, ".parquet") and not (found == _GZIP and PACKED in kind):
            name = f" it {path.name}{PACKED}," if found == _GZIP and f"{kind}{PACKED}" in readers else ""
            raise DataError(f"is {found}, whatever its ending says; rename{name} or convert it")
        return readers[kind](path)
    except OSError as error:
        why = f": {error.strerror}" if error.strerror else ""
        raise DataError(f"cannot be read: {error.strerror or error}", f"cannot be read{why}") from error


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)
