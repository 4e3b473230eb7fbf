"""The embedded task: pairs of short sentences that need no download. See `tasks.tiny`."""

from datasets import Dataset

from florg_app.config.settings import Settings
from florg_app.tasks.files.folder import LocalFolder, bad_rows_of
from florg_app.tasks.split import Split
from florg_app.tasks.text.answers import classes_answer
from florg_app.tasks.text.labelled_text import LabelledText, labelled_text

TEXT_COLUMNS = ("sentence1", "sentence2")
LABEL_NAMES = ("false", "true")


def make_tiny(settings: Settings, folder: LocalFolder | None) -> LabelledText:
    """The tiny task, from the embedded grammar, or from the files of `folder` (a SuperNode's own data)."""
    bad_rows = bad_rows_of(settings.task, folder)
    answer = classes_answer(LABEL_NAMES, ("accuracy", "f1"))
    return labelled_text(settings, folder, TEXT_COLUMNS, answer, _embedded, bad_rows)


def _embedded(split: Split) -> Dataset:
    # Here, because only this task needs the embedded package.
    from florg_app.tasks.tiny import embedded

    return embedded.embedded_rows(split)
