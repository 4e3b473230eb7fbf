"""Pixels of every kind as three colours of 0 to 255, by a stated rule, or refused.

Black is 0 and white is 65535 in grey images of 16 bits, 4095 in those of 12 bits, and 1 in those of floating point;
`task.image-range` names other ones. What is transparent shows white. Colours of 16 bits lose their lower 8.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from florg_app.tasks.files.wording import DataError

Range = tuple[float, ...]
"""Values of black and white."""

WHITE: Mapping[str, float] = {"I;16": 65535, "I;16L": 65535, "I;16B": 65535, "I;16N": 65535, "I": 65535, "F": 1.0}
"""By Pillow's name of the kinds of pixels whose white is not 255."""

_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0
"""TIFF's tags of the bits of a value and of what 0 means, and the value of the latter that turns light and dark."""

_PURPOSE, _REDUCED = 254, 1
"""TIFF's tag of what a page is for, and its bit of a smaller copy of another page."""

_WITH_EXTRAS = frozenset({"MPO", "ICO", "ICNS"})
"""Formats whose further pictures are the first one again, smaller or for a screen of more light."""

_SIXTEEN_BITS, _TWELVE_BITS = 65535, 4095

_BLENDED = ("LA", "La", "PA", "RGBA", "RGBa")


@dataclass(frozen=True)
class Greys:
    """What the values of an image with one value for each pixel mean, as its file says."""

    white: float
    negative: bool
    """Whether 0 is white and the largest value black. Pillow turns such images of 8 bits, and leaves those of more."""


def check_single(file: Image.Image) -> None:
    """Raise DataError where a file holds several pictures, of which no rule says which one is meant."""
    count = getattr(file, "n_frames", 1)
    if count < 2 or file.format in _WITH_EXTRAS:
        return
    pages = 0
    for number in range(count):
        file.seek(number)
        pages += not int(_tag(file, _PURPOSE) or 0) & _REDUCED
    file.seek(0)
    if pages > 1:
        raise DataError(
            f"has {pages} pictures (pages or frames), and one is read; save the one that is meant, or each of them, as "
            "a file of its own"
        )


def greys_of(file: Image.Image) -> Greys | None:
    """What the greys of a file mean; None where Pillow makes 0 to 255 of them."""
    if file.mode not in WHITE:
        return None
    twelve = file.mode.startswith("I;16") and _tag(file, _BITS) == 12
    white = _TWELVE_BITS if twelve else WHITE[file.mode]
    return Greys(white, _tag(file, _PHOTOMETRIC) == _WHITE_IS_ZERO)


def three_colours(image: Image.Image, greys: Greys | None, given: Range | None = None) -> Image.Image:
    """The image in RGB.

    given: black and white of one whose white is not 255; all values beyond are one of them. Raises ValueError where
    values are beyond what is known as white, or the colours are of a kind that is not read.
    """
    if greys is not None:
        return _shaded(image, greys, given).convert("RGB")
    if image.mode in _BLENDED or "transparency" in image.info:
        opaque = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque).convert("RGB")
    return image.convert("RGB")


def _shaded(image: Image.Image, greys: Greys, given: Range | None) -> Image.Image:
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise DataError("has pixels that are no finite numbers")
    black, white = given or (0.0, greys.white)
    low, high = float(values.min()), float(values.max())
    if given is None and not black <= low <= high <= white:
        unknown = "of which none is known to be white; name black and white in task.image-range"
        raise DataError(f"has values from {low:g} to {high:g}, {unknown}", f"has values {unknown}")
    shades = np.rint((values.clip(black, white) - black) * (255 / (white - black))).astype(np.uint8)
    return Image.fromarray(255 - shades if greys.negative else shades)


def _tag(image: Image.Image, number: int) -> Any:
    value = getattr(image, "tag_v2", {}).get(number)
    return value[0] if isinstance(value, tuple) else value


class Brightest:
    """The largest value of all 16-bit images of a set: of a set that uses a small part of them, white is unknown."""

    def __init__(self) -> None:
        self._largest: float | None = None

    def see(self, image: Image.Image, greys: Greys | None) -> None:
        """Note an image."""
        if greys is not None and greys.white == _SIXTEEN_BITS:
            self._largest = max(self._largest or 0.0, float(np.asarray(image).max()))

    @property
    def problem(self) -> DataError | None:
        """What to do where all would be nearly black."""
        if self._largest is None or self._largest > _TWELVE_BITS:
            return None
        head = "its images of 16 bits"
        remedy = (
            f'are nearly black: name what is white, such as task.image-range = "0,{_depth(self._largest)}", or '
            f'"0,{_SIXTEEN_BITS}" if they are meant to be so dark'
        )
        return DataError(f"{head} have values up to {self._largest:g} alone, and {remedy}", f"{head} {remedy}")


def _depth(largest: float) -> int:
    """The largest value of the smallest usual number of bits that holds this one."""
    return next(2**bits - 1 for bits in (8, 10, 12) if largest < 2**bits)
