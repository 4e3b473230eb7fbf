"""What a file begins with, whatever its name says: contents that are no rows or no picture, and what to do then."""

from collections.abc import Mapping

PARQUET = "a parquet file"

PACKED_AS: Mapping[str, str] = {".gz": "gzip-compressed", ".bz2": "bzip2-compressed", ".xz": "xz-compressed"}
"""By the ending of a packed file that is unpacked to be read: what its contents are called."""

SIGNATURES: Mapping[bytes, str] = {
    b"PAR1": PARQUET,
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\x1f\x8b": PACKED_AS[".gz"],
    b"BZh": PACKED_AS[".bz2"],
    b"\xfd7zXZ\x00": PACKED_AS[".xz"],
    b"\x28\xb5\x2f\xfd": "zstd-compressed",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"ARROW1": "an Arrow file",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet (.xls)",
    b"\x89HDF\r\n": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
    b"\x80\x04\x95": "a pickle",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF",
}
"""Kinds that convert."""

_NO_DATA: Mapping[bytes, str] = {
    b"version https://git-lfs": "is a pointer of Git LFS, not the file that it stands for; fetch that (git lfs pull)",
    b"<!doctype html": "is a web page; was a download answered with an error or a login? fetch the file again",
    b"<html": "is a web page; was a download answered with an error or a login? fetch the file again",
}
"""Beginnings, in small letters, of what stands in the place of a file."""

_CONVERT = "which Pillow does not read; convert it to PNG or TIFF, of 16 bits where it has more than 8"

_NO_PICTURE: Mapping[tuple[int, bytes], str] = {
    (128, b"DICM"): "is a DICOM image",
    (344, b"n+1\0"): "is a NIfTI image",
    (344, b"ni1\0"): "is a NIfTI image",
    (0, b"\x93NUMPY"): "is a NumPy array",
    (0, b"\x89HDF\r\n"): "is an HDF5 file",
    (0, b"\x1f\x8b"): "is gzip-compressed, as NIfTI images are",
    (0, b"%PDF"): "is a PDF",
    (0, b"<svg"): "is a drawing (SVG)",
    (0, b"<?xml"): "is XML, perhaps a drawing (SVG)",
}
"""(place, bytes there) of contents that somebody may have for a picture."""

NUM_BYTES = 512
"""Of the beginning of a file, enough to tell."""


def kind_by_content(start: bytes) -> str | None:
    """What a file that begins so is, in words that follow "is"; None where nothing tells."""
    return next((what for signature, what in SIGNATURES.items() if start.startswith(signature)), None)


def no_data(start: bytes) -> str | None:
    """What is wrong with a file that begins so and is none at all, with what to do; None where nothing tells."""
    if not start:
        return "is empty, of no bytes"
    small = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((problem for signature, problem in _NO_DATA.items() if small.startswith(signature)), None)


def no_picture(start: bytes) -> str | None:
    """What contents are that are no picture for Pillow, with what to do; None where nothing tells."""
    found = (what for (place, signature), what in _NO_PICTURE.items() if start[place:].startswith(signature))
    what = next(found, None)
    return no_data(start) or (None if what is None else f"{what}, {_CONVERT}")
