"""Where images are and what is refused: folders, parquet files, the hub, and files that are no images."""

import datasets
import pytest
from datasets import ClassLabel, Dataset
from datasets import Image as HubImage

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.tasks.images.make import BRAIN_MRI
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
        (b"", "is no image of a format that Pillow knows"),
        (b"<html>", "is no image of a format that Pillow knows"),
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
