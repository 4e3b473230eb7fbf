"""`images` and `brain-mri` from the settings: which rows and classes, from files or from the hub."""

from collections.abc import Mapping
from functools import partial

from datasets import ClassLabel, Dataset
from datasets import Image as HubImage

from clients.architectures import Head
from florg_app.config.parse import ConfigError
from florg_app.config.settings import Settings
from florg_app.config.task_settings import TaskSettings
from florg_app.tasks.files import hub
from florg_app.tasks.files.bad_rows import BadRows
from florg_app.tasks.files.checks import check_own_class
from florg_app.tasks.files.finding import SPLIT_STEMS
from florg_app.tasks.files.folder import LocalFolder, bad_rows_of
from florg_app.tasks.files.sampling import Read, select_columns, shared_out
from florg_app.tasks.images.pixels import Brightest
from florg_app.tasks.images.rows import check_image, image_layout, image_readers
from florg_app.tasks.images.task import IMAGE, LABEL, Images
from florg_app.tasks.split import Split
from florg_app.tasks.text.answers import Answer, classes_answer
from florg_app.tasks.text.own_classes import own_classes

BRAIN_MRI = ("glioma", "meningioma", "notumor", "pituitary")
"""Classes of Kaggle's masoudnickparvar/brain-tumor-mri-dataset, in the order of their numbers."""

IMAGE_METRICS = ("accuracy", "macro-f1")

FILES: Mapping[Split, tuple[str, ...]] = {
    "train": (*SPLIT_STEMS["train"], "Training"),
    "validation": (*SPLIT_STEMS["validation"], "test", "Testing"),
}
"""Names of folders and files; sets of images often come with a test part and no other."""

BRAIN_MRI_SETTINGS = frozenset({"image_column", "image_range", "label_column", "validation_share"})
IMAGE_SETTINGS = BRAIN_MRI_SETTINGS | {"hub", "labels"}
"""Fields of `TaskSettings` that only some tasks read, these among them."""


def make_brain_mri(settings: Settings, folder: LocalFolder | None) -> Images:
    """Brain-tumour MRI by tumour, as in the FedFTG paper (arXiv 2410.23111); from files."""
    if folder is None:
        raise ConfigError(
            'task.path = "": task.name = "brain-mri" reads the files of Kaggle\'s masoudnickparvar/'
            "brain-tumor-mri-dataset; set task.path to the folder that holds Training and Testing, or evaluate.every "
            "= 0 where only the clients have data"
        )
    return _from_files(settings, _with_images(folder, settings.task), classes_answer(BRAIN_MRI, IMAGE_METRICS))


def make_images(settings: Settings, folder: LocalFolder | None) -> Images:
    """A user's own images, or those of a data set of the hub."""
    task = settings.task
    if task.hub is not None:
        if folder is not None:
            place = folder.place.wording
            raise ConfigError(
                f'task.hub = "{task.hub}" and {place.key} = "{place.path}" both say where the images are; remove one'
            )
        return _from_hub(settings, task.hub)
    found = None if folder is None else _with_images(folder, task)
    names = own_classes(task, found, FILES["train"])
    answer = classes_answer(names, IMAGE_METRICS, check_own_class(names))
    if found is None:
        return _images(settings, answer, _nowhere, bad_rows_of(task))
    return _from_files(settings, found, answer)


def _with_images(folder: LocalFolder, task: TaskSettings) -> LocalFolder:
    return folder.with_readers(image_readers(task.image_column, task.label_column))


def _from_files(settings: Settings, folder: LocalFolder, answer: Answer) -> Images:
    """Validation rows are those of their own files, or a share of the training rows unless these are a client's."""
    task = settings.task
    assert isinstance(answer.type, ClassLabel)
    kind, further = answer.type, folder.owner.extra_column

    def read(split: Split) -> Dataset:
        brightest = Brightest() if task.image_range is None else None
        check = partial(check_image, given=task.image_range, brightest=brightest)
        layout = image_layout(task.image_column, task.label_column, check, answer.check, kind)
        rows = folder.rows(split, layout, FILES[split])
        if brightest is not None and (problem := brightest.problem):
            raise folder.error(split, folder.files(split, FILES[split])[0], problem)
        return _renamed(rows, task, split, further)

    complete = folder.has_validation(FILES["validation"])
    source: Read = read if complete else shared_out(read, task.validation_share, settings.seed)
    return _images(settings, answer, source, folder.bad_rows, further)


def _from_hub(settings: Settings, repository: str) -> Images:
    """A data set with a column of images and one of classes with names; they are fetched here for these names."""
    task = settings.task
    further, bad_rows = settings.partition.column, bad_rows_of(task)
    splits = hub.splits(task.name, repository)
    found = next((split for split in FILES["validation"] if split in splits), None)
    rows = hub.load_hub_split(task.name, repository, None, "train")
    kinds = {name: type(rows.features.get(name)) for name in (task.image_column, task.label_column)}
    if list(kinds.values()) != [HubImage, ClassLabel]:
        raise ConfigError(
            f'task.hub = "{repository}": expected images in task.image-column = "{task.image_column}" and named '
            f'classes in task.label-column = "{task.label_column}"; its columns are '
            + ", ".join(f"{name} ({type(feature).__name__})" for name, feature in rows.features.items())
        )

    def read(split: Split) -> Dataset:
        part = rows if split == "train" else hub.load_hub_split(task.name, repository, None, str(found))
        files = part.cast_column(task.image_column, HubImage(decode=False))
        name = "train" if split == "train" else str(found)
        return _renamed(hub.with_hub_origins(files, bad_rows, split, repository, name), task, split, further)

    source: Read = read if found else shared_out(read, task.validation_share, settings.seed)
    answer = classes_answer(tuple(rows.features[task.label_column].names), IMAGE_METRICS)
    return _images(settings, answer, source, bad_rows, further)


def _images(
    settings: Settings,
    answer: Answer,
    source: Read,
    bad_rows: BadRows,
    further: str | None = None,
) -> Images:
    return Images(
        head=Head("image-classification", len(answer.label_names), classes=answer.label_names),
        label_names=answer.label_names,
        answer=answer,
        source=source,
        max_rows={"train": settings.task.max_train_rows, "validation": settings.task.max_validation_rows},
        seed=settings.seed,
        extra_column=further,
        image_range=settings.task.image_range,
        bad_rows=bad_rows,
    )


def _renamed(rows: Dataset, task: TaskSettings, split: Split, further: str | None) -> Dataset:
    selected = select_columns(rows, split, [task.image_column, task.label_column], further)
    return selected.rename_columns({task.image_column: IMAGE, task.label_column: LABEL})


def _nowhere(split: Split) -> Dataset:
    raise ConfigError(
        f'task.path = "": this task has no {split} images of its own; set task.path to a folder with train and '
        f"validation folders, or evaluate.every = 0 where only the clients have data"
    )
