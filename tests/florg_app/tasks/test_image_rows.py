"""Where images are and what is refused: folders, parquet files, the hub, and files that are no images."""

import struct
import zlib
from io import BytesIO

import datasets
import numpy as np
import pytest
from datasets import ClassLabel, Dataset
from datasets import Image as HubImage

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.tasks.files.wording import DataError
from florg_app.tasks.images.make import BRAIN_MRI
from florg_app.tasks.images.rows import open_image
from florg_app.tasks.registry import make_task
from tests.support.local_data import cells_of
from tests.support.pictures import COLOURS, image_task, picture, png, write_folders, write_parquet

NAMES = tuple(COLOURS)


def test_folders_of_classes_are_rows_in_the_order_of_their_names(tmp_path):
    write_folders(tmp_path / "train", 2)
    write_folders(tmp_path / "test", 1)
    (tmp_path / "train" / "red" / ".hidden").write_text("")
    task = image_task(tmp_path)
    assert (task.label_names, task.head.num_labels, task.partition_column) == (NAMES, 3, "label")
    assert task.rows("train")["label"][:] == [0, 0, 1, 1, 2, 2]
    assert [cell["path"][-10:] for cell in task.rows("validation")["image"]] == [
        "blue/0.png",
        "reen/0.png",
        "/red/0.png",
    ]


@pytest.mark.parametrize("kind", ["bytes", "struct"])
def test_parquet_files_hold_bytes_or_the_hubs_struct(kind, tmp_path):
    files = [png(colour, 0) for colour in NAMES]
    cells = files if kind == "bytes" else [{"bytes": file, "path": "x.png"} for file in files]
    write_parquet(tmp_path / "train.parquet", cells, ["red", "blue", "red"])
    write_parquet(tmp_path / "validation.parquet", cells[:1], ["blue"])
    task = image_task(tmp_path)
    assert task.label_names == ("blue", "red")
    assert cells_of(task.rows("train")) == {
        "image": [{"bytes": file, "path": None} for file in files],
        "label": [1, 0, 1],
    }


def test_columns_may_have_other_names(tmp_path):
    write_parquet(tmp_path / "train.parquet", [0, 1], [0, 1], scan=[png("red", n) for n in (0, 1)], kind=["a", "b"])
    task = image_task(
        tmp_path, **{"task.image-column": "scan", "task.label-column": "kind", "task.validation-share": 0.5}
    )
    assert task.label_names == ("a", "b")
    assert [len(task.rows(split)) for split in ("train", "validation")] == [1, 1]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"anything", "is no image of a format that Pillow knows"),
        (b"", "is empty, of no bytes"),
        (b"<html>", "is a web page; was a download answered with an error"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS, not the file that it stands for"),
        (bytes(128) + b"DICM" + bytes(9), "is a DICOM image, which Pillow does not read; convert it to PNG or TIFF"),
        (bytes(344) + b"n+1\0" + bytes(9), "is a NIfTI image, which Pillow does not read; convert it to PNG or TIFF"),
        (b"\x93NUMPY\x01\0", "is a NumPy array, which Pillow does not read; convert it"),
        (b"<svg/>", "is a drawing (SVG), which Pillow does not read; convert it"),
        (png("red", 0)[:200], "cannot be decoded as an image"),
    ],
)
def test_a_file_that_cannot_be_decoded_is_named_or_left_out(content, problem, tmp_path):
    write_folders(tmp_path / "train", 2)
    (tmp_path / "train" / "green" / "1.png").write_bytes(content)
    with pytest.raises(ConfigError, match=r"train: row 4: image = 'green/1.png'") as caught:
        image_task(tmp_path).rows("train")
    assert problem in str(caught.value)
    task = image_task(tmp_path, **{"task.bad-rows": "skip", "task.validation-share": 0.2})
    assert [len(task.rows(split)) for split in ("train", "validation")] == [4, 1]
    assert task.skipped == {("train", "train"): 1}


SEVERAL = {"TIFF": "several", "GIF": "several", "PNG": "several", "WEBP": "several", "MPO": "one"}
"""By format that can hold several pictures: whether they are several, or the first one again."""


@pytest.mark.parametrize("kind", SEVERAL)
def test_a_file_of_several_pictures_is_refused_unless_they_are_one(kind):
    file, pages = BytesIO(), [picture("red", seed) for seed in range(3)]
    pages[0].save(file, kind, save_all=True, append_images=pages[1:])
    if SEVERAL[kind] == "one":
        assert open_image({"bytes": file.getvalue(), "path": None}).size == (20, 10)
        return
    with pytest.raises(DataError, match=r"has 3 pictures \(pages or frames\), and one is read; save the one"):
        open_image({"bytes": file.getvalue(), "path": None})


def test_smaller_copies_of_a_picture_in_a_tiff_are_no_further_pictures():
    file, whole = BytesIO(), picture("red", 0)
    copy = whole.resize((10, 5))
    copy.encoderinfo = {"tiffinfo": {254: 1}}
    whole.save(file, "TIFF", save_all=True, append_images=[copy])
    found = open_image({"bytes": file.getvalue(), "path": None})
    assert np.array_equal(np.asarray(found), np.asarray(whole))


def test_a_picture_as_large_as_a_bomb_is_a_bad_row():
    """60,000 x 60,000 pixels that take a few bytes of a file."""
    size = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", size), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    with pytest.raises(DataError, match=r"cannot be decoded as an image \(Image size \(3600000000 pixels\)"):
        open_image({"bytes": b"\x89PNG\r\n\x1a\n" + b"".join(packed), "path": None})


def test_a_cell_that_holds_no_image_is_named(tmp_path):
    write_parquet(tmp_path / "train.parquet", ["red.png", "blue.png"], ["red", "blue"])
    with pytest.raises(ConfigError, match=r"train.parquet: row 1: image = 'red.png' holds no bytes of an image"):
        image_task(tmp_path).rows("train")


def test_a_folder_without_classes_is_refused(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(ConfigError, match=r"train: .*no rows"):
        image_task(tmp_path)


def test_brain_images_are_read_as_their_authors_keep_them(tmp_path):
    for folder in ("Training", "Testing"):
        for name in BRAIN_MRI:
            (tmp_path / folder / name).mkdir(parents=True)
            picture("red", 1).convert("L").save(tmp_path / folder / name / "a.jpg")
    task = image_task(tmp_path, "brain-mri")
    assert task.rows("train")["label"][:] == task.rows("validation")["label"][:] == [0, 1, 2, 3]
    assert task.label_names == BRAIN_MRI
    with pytest.raises(ConfigError, match="folder that holds Training and Testing"):
        make_task(parse_settings({"task.name": "brain-mri"}))


def hub(monkeypatch, splits: list[str], label: object) -> None:
    rows = Dataset.from_dict({"img": [{"bytes": png("red", n), "path": None} for n in range(10)], "label": [0, 1] * 5})
    rows = rows.cast_column("img", HubImage()).cast_column("label", label)  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr(datasets, "get_dataset_split_names", lambda *_: splits)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, split: rows.select(range(10 if split == "train" else 3)))


HUB = {"task.name": "images", "task.hub": "someone/cats", "task.image-column": "img"}


@pytest.mark.parametrize(("splits", "sizes"), [(["train", "test"], [10, 3]), (["train"], [8, 2])])
def test_a_data_set_of_the_hub_brings_its_classes(splits, sizes, monkeypatch):
    hub(monkeypatch, splits, ClassLabel(names=["cat", "dog"]))
    task = make_task(parse_settings({**HUB, "task.validation-share": 0.2}))
    assert task.label_names == ("cat", "dog")
    assert [len(task.rows(split)) for split in ("train", "validation")] == sizes
    assert task.rows("train")[0]["image"]["bytes"][:4] == b"\x89PNG"


def test_a_data_set_of_the_hub_without_class_names_is_refused(monkeypatch):
    hub(monkeypatch, ["train"], datasets.Value("int64"))
    with pytest.raises(ConfigError, match=r'task.hub = "someone/cats".*named classes.*img \(Image\), label \(Value\)'):
        make_task(parse_settings(HUB))


def test_two_places_for_images_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r'task.hub = "someone/cats" and task.path = .* remove one'):
        make_task(parse_settings({**HUB, "task.path": str(tmp_path)}))
