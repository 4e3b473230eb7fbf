"""Rows of images: from folders with one folder per class, or parquet files with the bytes of image files."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Value
from datasets import Features as Columns
from PIL import Image, ImageOps

from florg_app.tasks.files.checks import Check, Layout
from florg_app.tasks.files.reading import READERS, Readers
from florg_app.tasks.files.signatures import NUM_BYTES, no_picture
from florg_app.tasks.files.table import FileTable, table_of
from florg_app.tasks.files.wording import DataError
from florg_app.tasks.images.pixels import Brightest, Range, check_single, greys_of, three_colours

COLUMN = {"bytes": Value("large_binary"), "path": Value("string")}
"""An image file as the hub's data sets keep it: its bytes, or else where it is."""


@dataclass(frozen=True)
class ImageFile:
    """A cell of a folder of images; messages show its place in there."""

    folder: Path
    name: str

    def __repr__(self) -> str:
        return repr(self.name)


def open_image(cell: Mapping[str, Any], given: Range | None = None, brightest: Brightest | None = None) -> Image.Image:
    """The decoded image (height, width) of a cell of COLUMN, upright, in three colours.

    given: black and white of images of more than 8 bits, if they are not those of `pixels`; `brightest` sees the image.
    Raises ValueError where it cannot be decoded, or its values are none that can be read.
    """
    try:
        with Image.open(cell["path"] if cell["bytes"] is None else BytesIO(cell["bytes"])) as file:
            check_single(file)
            image, greys = ImageOps.exif_transpose(file), greys_of(file)
            if brightest is not None:
                brightest.see(image, greys)
            return three_colours(image, greys, given)
    except Image.UnidentifiedImageError:
        raise DataError(no_picture(_beginning(cell)) or "is no image of a format that Pillow knows") from None
    except DataError:
        raise
    except Exception as error:  # decoders of broken files raise errors of any class
        raise DataError(f"cannot be decoded as an image ({error})", "cannot be decoded as an image") from error


def _beginning(cell: Mapping[str, Any]) -> bytes:
    if cell["bytes"] is not None:
        return cell["bytes"][:NUM_BYTES]
    with Path(cell["path"]).open("rb") as file:
        return file.read(NUM_BYTES)


def check_image(value: Any, given: Range | None = None, brightest: Brightest | None = None) -> dict[str, Any]:
    """A cell of COLUMN that can be decoded."""
    if isinstance(value, ImageFile):
        cell = {"bytes": None, "path": str(value.folder / value.name)}
    elif isinstance(value, bytes):
        cell = {"bytes": value, "path": None}
    elif isinstance(value, dict) and isinstance(value.get("bytes"), bytes):
        cell = {"bytes": value["bytes"], "path": None}
    else:
        raise ValueError("holds no bytes of an image")
    open_image(cell, given, brightest)
    return cell


def check_image_path(value: Any, given: Range | None = None) -> dict[str, Any]:
    """A cell of COLUMN for the file at a path, which can be decoded."""
    if not isinstance(value, str) or not Path(value).is_file():
        raise ValueError("is no file; give the path of an image")
    cell = {"bytes": None, "path": value}
    open_image(cell, given)
    return cell


def image_layout(image_column: str, label_column: str, image: Check, label: Check, label_type: ClassLabel) -> Layout:
    """One image and its class."""
    return Layout({image_column: image, label_column: label}, Columns({image_column: COLUMN, label_column: label_type}))


def image_readers(image_column: str, label_column: str) -> Readers:
    """Of parquet files, and of folders, which have no suffix."""
    return {".parquet": READERS[".parquet"], "": partial(_class_folders, image_column, label_column)}


def _class_folders(image_column: str, label_column: str, path: Path) -> FileTable:
    """The files of folder/class/file in the order of their names; hidden ones are left aside."""
    if not path.is_dir():
        raise DataError("is a file without a suffix; expected a folder with one folder per class, or .parquet")
    files = [
        file
        for folder in sorted(path.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
        for file in sorted(folder.iterdir())
        if file.is_file() and not file.name.startswith(".")
    ]
    images = [ImageFile(path, f"{file.parent.name}/{file.name}") for file in files]
    return table_of({image_column: images, label_column: [file.parent.name for file in files]})
