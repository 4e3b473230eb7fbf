"""Images of any kind of pixels: read as they are meant, by a stated rule, or refused."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from florg_app.config.parse import ConfigError
from florg_app.engines import inline
from florg_app.reports.history import read_history
from florg_app.tasks.images.rows import open_image
from strategies.rng import generator
from tests.support.pictures import PROCESSOR, image_task, vision_model

RAMP = np.linspace(0, 255, 6 * 11).reshape(6, 11).round()
"""Every kind of image below shows these greys: 6 high, 11 wide."""


def stored(image: Image.Image, kind: str = "PNG", **options) -> dict:
    file = BytesIO()
    image.save(file, kind, **options)
    return {"bytes": file.getvalue(), "path": None}


def read(cell: dict, given=None) -> np.ndarray:
    """(height, width, 3)"""
    return np.asarray(open_image(cell, given)).astype(int)


def grey(values: np.ndarray, dtype: type) -> Image.Image:
    return Image.fromarray(values.round().astype(dtype) if np.issubdtype(dtype, np.integer) else values.astype(dtype))


KINDS = {
    "8 bits": stored(grey(RAMP, np.uint8)),
    "16 bits, PNG": stored(grey(RAMP * 257, np.uint16)),
    "16 bits, TIFF": stored(grey(RAMP * 257, np.uint16), "TIFF"),
    "16 bits, big-endian": stored(Image.frombytes("I;16B", (11, 6), (RAMP * 257).astype(">u2").tobytes()), "TIFF"),
    "32 bits with the values of 16": stored(grey(RAMP * 257, np.int32), "TIFF"),
    "floats from 0 to 1": stored(grey(RAMP / 255, np.float32), "TIFF"),
    "16 bits, 0 is white": stored(grey((255 - RAMP) * 257, np.uint16), "TIFF", tiffinfo={262: 0}),
    "RGB": stored(grey(RAMP, np.uint8).convert("RGB")),
    "RGBA, opaque": stored(grey(RAMP, np.uint8).convert("RGBA")),
    "LA, opaque": stored(grey(RAMP, np.uint8).convert("LA")),
    "palette": stored(grey(RAMP, np.uint8).convert("P")),
    "CMYK": stored(grey(RAMP, np.uint8).convert("CMYK"), "TIFF"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_picture_is_the_same_in_every_kind_of_pixels(kind):
    assert np.abs(read(KINDS[kind]) - RAMP[..., None]).max() <= 1


def test_black_and_white_of_one_bit_are_black_and_white():
    assert (
        read(stored(grey(RAMP, np.uint8).convert("1", dither=Image.Dither.NONE)))
        == np.where(RAMP > 127, 255, 0)[..., None]
    ).all()


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_what_is_transparent_shows_white_whatever_colour_is_hidden_there(mode):
    image = grey(RAMP * 0 + 40, np.uint8)
    if mode == "P":
        cell = stored(image.convert("P"), transparency=40)
    else:
        image = image.convert(mode)
        image.putalpha(0)
        cell = stored(image)
    assert (read(cell) == 255).all()


def test_half_transparent_pixels_are_half_white():
    image = grey(RAMP * 0, np.uint8).convert("RGBA")
    image.putalpha(128)
    assert np.abs(read(stored(image)) - 127).max() <= 1


def test_colours_of_16_bits_keep_their_upper_8(tmp_path):
    high = np.repeat((RAMP * 257).astype(">u2")[..., None], 3, axis=2)
    cell = {"bytes": png_of_16_bit_colours(high), "path": None}
    assert np.abs(read(cell) - RAMP[..., None]).max() <= 1


def png_of_16_bit_colours(pixels: np.ndarray) -> bytes:
    """A PNG written by hand, since Pillow writes none of this kind."""
    import struct
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("image", "given"),
    [
        (grey(RAMP / 255 * 4095, np.uint16), (0, 4095)),
        (grey(RAMP * 5 - 1000, np.int32), (-1000, 275)),
        (grey(RAMP * 5 - 1000, np.float32), (-1000, 275)),
        (grey(RAMP, np.float32), (0, 255)),
    ],
)
def test_black_and_white_may_be_named(image, given):
    assert np.abs(read(stored(image, "TIFF"), given) - RAMP[..., None]).max() <= 1


def test_values_beyond_the_named_ones_are_black_or_white():
    shown = read(stored(grey(RAMP * 257, np.uint16)), (64 * 257, 191 * 257))[..., 0]
    assert (shown[RAMP <= 64] == 0).all()
    assert (shown[RAMP >= 191] == 255).all()


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (
            grey(RAMP, np.float32),
            "has values from 0 to 255, of which none is known to be white; name black and white in",
        ),
        (grey(RAMP * 5 - 1000, np.int32), "has values from -1000 to 275, of which none is known to be white"),
        (grey(np.full((6, 11), np.nan), np.float32), "has pixels that are no finite numbers"),
    ],
)
def test_values_whose_white_is_unknown_are_refused_by_row(image, problem, tmp_path):
    for name, one in (("a", grey(RAMP / 255, np.float32)), ("b", image)):
        (tmp_path / "train" / name).mkdir(parents=True)
        one.save(tmp_path / "train" / name / "0.tif")
    with pytest.raises(ConfigError) as caught:
        image_task(tmp_path).rows("train")
    assert f"train: row 2: image = 'b/0.tif' {problem}" in str(caught.value)


def folders(folder: Path, of: dict[str, list[Image.Image]], suffix: str = "png") -> Path:
    for name, images in of.items():
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(images):
            image.save(folder / name / f"{number:03d}.{suffix}")
    return folder


@pytest.mark.parametrize(("top", "white"), [(255, 255), (1000, 1023), (4095, 4095)])
def test_a_set_of_16_bits_that_uses_few_of_them_is_refused_until_white_is_named(top, white, tmp_path):
    image = grey(RAMP / 255 * top, np.uint16)
    folders(tmp_path / "train", {"a": [image, image], "b": [image, image]})
    problem = (
        rf"images of 16 bits have values up to {top} alone, and are nearly black: name .*image-range = \"0,{white}\""
    )
    with pytest.raises(ConfigError, match=problem):
        image_task(tmp_path).rows("train")
    named = image_task(tmp_path, **{"task.image-range": f"0,{top}"})
    row = named.features(named.rows("train"), lambda image, **_: {"pixel_values": [np.asarray(image)]}, 1)[0]
    assert row["pixel_values"].max() == 255


def test_one_dark_image_among_others_is_dark(tmp_path):
    dark, bright = grey(RAMP, np.uint16), grey(RAMP * 257, np.uint16)
    folders(tmp_path / "train", {"a": [dark, bright], "b": [bright, bright]})
    assert len(image_task(tmp_path, **{"task.validation-share": 0.2}).rows("train")) == 3


def test_an_orientation_is_heeded_in_every_kind_of_pixels():
    exif = Image.Exif()
    exif[0x0112] = 6
    eight, sixteen = (read(stored(grey(RAMP * by, kind), exif=exif)) for by, kind in ((1, np.uint8), (257, np.uint16)))
    assert eight.shape == (11, 6, 3)
    assert np.abs(eight - sixteen).max() <= 1


@pytest.mark.parametrize(
    "content", [b"GIF89a", b"II*\0\x08\0\0\0\xff\xff", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"RIFF\0\0\0\0WEBP"]
)
def test_a_broken_image_of_any_format_is_a_bad_row(content, tmp_path):
    good = grey(RAMP, np.uint8)
    folders(tmp_path / "train", {"a": [good, good, good], "b": [good]})
    (tmp_path / "train" / "b" / "001.png").write_bytes(content)
    with pytest.raises(ConfigError, match=r"train: row 5: image = 'b/001.png' (cannot be decoded|is no image)"):
        image_task(tmp_path).rows("train")
    skipping = image_task(tmp_path, **{"task.bad-rows": "skip"})
    assert sum(len(skipping.rows(split)) for split in ("train", "validation")) == 4


def test_a_picture_that_unpacks_to_too_much_is_a_bad_row(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    folders(tmp_path / "train", {"a": [grey(RAMP[:3, :3], np.uint8)] * 2, "b": [grey(RAMP, np.uint8)]})
    with pytest.raises(
        ConfigError, match=r"train: row 3: image = 'b/000.png' cannot be decoded as an image \(.*exceeds limit"
    ):
        image_task(tmp_path).rows("train")


def test_a_file_that_changed_after_it_was_checked_is_named_with_its_row(tmp_path):
    good = grey(RAMP, np.uint8)
    folders(tmp_path / "train", {"a": [good, good], "b": [good]})
    task = image_task(tmp_path, **{"task.validation-share": 0.2})
    features = task.features(task.rows("train"), lambda image, **_: {"pixel_values": [0]}, 1)
    (tmp_path / "train" / "b" / "000.png").write_bytes(b"")
    (tmp_path / "train" / "a" / "001.png").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"train: row \d: image is empty, of no bytes"):
        _ = [features[index] for index in range(2)]


@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "floats", "12 bits in 16"])
def test_a_task_learns_the_same_from_8_bits_16_bits_and_floats(kind, tmp_path):
    scale, dtype, suffix = {
        "8 bits": (1, np.uint8, "png"),
        "16 bits": (257, np.uint16, "png"),
        "floats": (1 / 255, np.float32, "tif"),
        "12 bits in 16": (4095 / 255, np.uint16, "png"),
    }[kind]
    random = generator(0, "sides")
    for split, count in (("train", 16), ("validation", 8)):
        for side, columns in (("left", slice(0, 8)), ("right", slice(8, 16))):
            pictures = []
            for _ in range(count):
                pixels = random.integers(0, 32, (16, 16)).astype(float)
                pixels[:, columns] += 117
                pictures.append(grey(pixels * scale, dtype))
            folders(tmp_path / "data" / split, {side: pictures}, suffix)
    vision_model("vit", 2).save_pretrained(tmp_path / "model")
    type(PROCESSOR)(size={"height": 16, "width": 16}).save_pretrained(tmp_path / "model")
    options = {"task.image-range": "0,4095"} if kind == "12 bits in 16" else {}
    files = {
        "task.path": str(tmp_path / "data"),
        "model.name": str(tmp_path / "model"),
        "output-dir": str(tmp_path / "run"),
    }
    settings = {"task.name": "images", "partition.name": "iid", "num-server-rounds": 1, "train.epochs": 8}
    inline.run_in_process({**settings, **files, **options, "client.threads": 1}, 2)
    (_, last) = read_history(tmp_path / "run")
    assert last["evaluation"]["accuracy"] == 1.0
