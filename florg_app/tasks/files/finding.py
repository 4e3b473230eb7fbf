"""Which files hold the rows of a split: found by their names in a folder."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from florg_app.config.parse import ConfigError
from florg_app.tasks.files.text_file import UNPACKERS
from florg_app.tasks.files.wording import DataError, Wording
from florg_app.tasks.split import Split

SPLIT_STEMS: Mapping[Split, tuple[str, ...]] = {
    "train": ("train", "train_subset"),
    "validation": ("validation", "validation_matched", "dev", "dev_matched", "val", "valid"),
}
"""File names without ending, the first one that is there counts; hub shards (train-00000-of-00002) as well."""

_SHARD = re.compile(r".+-\d+-of-0*(\d+)")


def kind_of(path: Path, kinds: Collection[str]) -> str | None:
    """The longest of these endings that the name has, in letters of any case; "" is that of names without a dot."""
    name = path.name.lower()
    endings = [kind for kind in kinds if name.endswith(kind) and (kind or "." not in name)]
    return max(endings, key=len, default=None)


def stem_of(path: Path, kind: str) -> str:
    """The name without its ending."""
    return path.name[: len(path.name) - len(kind)]


@dataclass(frozen=True)
class FilePlace:
    """A folder of data; or one file, of rows to train on."""

    wording: Wording
    kinds: tuple[str, ...]
    """Endings of the files that can be read."""
    one_per_client: bool = False
    """Every file of the folder holds the training rows of one client."""
    validation: "FilePlace | None" = field(default=None)
    """Where the validation rows are, if they lie elsewhere."""

    def with_kinds(self, kinds: Collection[str]) -> "FilePlace":
        """The same place, in which files of these endings are looked for."""
        elsewhere = self.validation and self.validation.with_kinds(kinds)
        return replace(self, kinds=tuple(kinds), validation=elsewhere)

    def of(self, split: Split) -> "FilePlace":
        """Where the rows of this split are."""
        return self if split == "train" or self.validation is None else self.validation

    def files(self, split: Split, stems: Sequence[str]) -> list[Path]:
        """The files of a split, several where it is in shards. Raises ConfigError where there is none, or a choice."""
        place = self.of(split)
        if place._path.is_file() and (split == "train" or place is not self):
            return [place._path]
        if place.one_per_client:
            return place._of_clients(split)
        if not (found := self.find(split, stems)):
            raise place._nothing(split, stems)
        kinds = {kind_of(path, place.kinds) for path in found}
        names = {_without_number(stem_of(path, str(kind_of(path, place.kinds)))) for path in found}
        if len(kinds) > 1 or len(names) > 1:
            raise place._error(f"several files for {split}: {_names(found)}; leave one")
        place._check_shards(found)
        return found

    def find(self, split: Split, stems: Sequence[str]) -> list[Path]:
        """The files of the first of these names that is there; none where none is."""
        place = self.of(split)
        if place._path.is_file():
            return []
        if not place._path.is_dir():
            raise place._error("no such folder")
        for stem in stems:
            if files := [path for path in place._readable() if _named(path, stem, place.kinds)]:
                return files
        return []

    @property
    def _path(self) -> Path:
        return self.wording.path.expanduser()

    def _error(self, problem: str | ValueError) -> ConfigError:
        return self.wording.error(self.wording.path, problem)

    def _nothing(self, split: Split, stems: Sequence[str]) -> ConfigError:
        """The error about a split without files."""
        expected = f"expected one of {', '.join(stems)} with suffix {endings_in_words(self.kinds)}"
        present = [path for path in _visible(self._path) if path.is_file()] if self._path.is_dir() else []
        other = [path for path in present if kind_of(path, self.kinds) is None and path.name.split(".")[0] in stems]
        found = _names(self._readable()) or "none of these formats"
        convert = f"; {_names(other)} cannot be read, save it in one of these formats" if other else ""
        return self._error(
            DataError(
                f"no file for {split}: {expected}, found {found}{convert}", f"no file for {split}: {expected}{convert}"
            )
        )

    def _check_shards(self, found: Sequence[Path]) -> None:
        """Raise ConfigError where one of the shards is missing: its rows would be missed by nobody."""
        for path in found:
            shard = _SHARD.fullmatch(stem_of(path, str(kind_of(path, self.kinds))))
            if shard and int(shard[1]) != len(found):
                raise self._error(f"{len(found)} of {shard[1]} shards are there: {_names(found)}; add the others")

    def _of_clients(self, split: Split) -> list[Path]:
        if split != "train":
            raise ConfigError(
                f'{self.wording.key} = "{self.wording.path}" has training rows alone; name a folder with validation '
                f'rows in task.path, or set evaluate.rows = "union-held-out", or evaluate.every = 0'
            )
        if not self._path.is_dir():
            raise self._error("no such folder")
        if not (files := self._readable()):
            raise self._error(f"no file with suffix {endings_in_words(self.kinds)}")
        return files

    def _readable(self) -> list[Path]:
        if not self._path.is_dir():
            return []
        return [path for path in _visible(self._path) if kind_of(path, self.kinds) is not None]


def endings_in_words(kinds: Collection[str]) -> str:
    """These endings in words, those of packed texts in a few."""
    plain = [kind for kind in kinds if kind and Path(kind).suffix not in UNPACKERS]
    packed = [ending for ending in UNPACKERS if any(kind.endswith(ending) for kind in kinds)]
    return ", ".join(plain) + (f" (texts also packed: {', '.join(packed)})" if packed else "")


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _named(path: Path, stem: str, kinds: Collection[str]) -> bool:
    """Whether a readable file is called `stem`, or is a shard of it."""
    own = stem_of(path, str(kind_of(path, kinds)))
    return any(fnmatchcase(own, name) for name in (stem, f"{stem}-[0-9]*-of-[0-9]*"))


def _without_number(stem: str) -> str:
    """train of train-00000-of-00002."""
    return re.sub(r"-\d+-of-\d+$", "-shards", stem)


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths)
