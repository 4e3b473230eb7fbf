"""READERS: which files can be read, by their endings; what cannot be read is said."""

from collections.abc import Callable, Mapping
from pathlib import Path

from florg_app.tasks.files.columnar import read_parquet
from florg_app.tasks.files.delimited import read_csv, read_tsv
from florg_app.tasks.files.json_rows import read_json, read_jsonl
from florg_app.tasks.files.signatures import NUM_BYTES, PACKED_AS, PARQUET, kind_by_content, no_data
from florg_app.tasks.files.table import FileTable
from florg_app.tasks.files.text_file import UNPACKERS
from florg_app.tasks.files.wording import DataError

Reader = Callable[[Path], FileTable]
Readers = Mapping[str, Reader]
"""By the ending of a file's name."""

TEXT_READERS: Readers = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
}


def with_packed(readers: Readers) -> Readers:
    """These readers of texts, also under the endings of packed files."""
    return {**readers, **{f"{kind}{packed}": read for kind, read in readers.items() for packed in UNPACKERS}}


READERS: Readers = {".parquet": read_parquet, **with_packed(TEXT_READERS)}


def read_file(path: Path, kind: str, readers: Readers) -> FileTable:
    """The table of a file of this ending. Raises DataError where it cannot be read or is not what its ending says."""
    try:
        if not path.is_dir():
            _check_contents(path, kind, readers)
        return readers[kind](path)
    except OSError as error:
        why = f": {error.strerror}" if error.strerror else ""
        raise DataError(f"cannot be read: {error.strerror or error}", f"cannot be read{why}") from error


def _check_contents(path: Path, kind: str, readers: Readers) -> None:
    """Raise DataError where a file begins as one of another kind."""
    with path.open("rb") as file:
        start = file.read(NUM_BYTES)
    if problem := no_data(start):
        raise DataError(problem)
    found, expected = kind_by_content(start), PARQUET if kind == ".parquet" else PACKED_AS.get(Path(kind).suffix)
    if found is not None and found != expected:
        packed = next((f"{kind}{ending}" for ending, what in PACKED_AS.items() if what == found), "")
        name = f" it {path.name}{Path(packed).suffix}," if packed in readers else ""
        raise DataError(f"is {found}, whatever its ending says; rename{name} or convert it")
