"""Tokenised rows kept on disk between processes and runs, found by content, so that nothing has to be invalidated.

An entry is a folder with an Arrow file and its checksum; it appears by a rename, whole or not at all, so that of
processes that make the same one at once the first to finish counts. A broken one is made anew. Nothing is removed by
itself: an entry may be deleted at any time, and its time of change is that of its last use.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from logging import WARNING
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow
from datasets import Dataset
from huggingface_hub.constants import HF_HOME
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from clients.atomic_files import folder_atomically
from clients.regular_files import read_regular
from florg_app import code_version
from florg_app.config.settings import TaskSettings
from florg_app.data.token_arrow import from_table, to_table
from florg_app.tasks.base import Features, Preprocessor
from florg_app.tasks.split import ORIGIN_COLUMN
from strategies.logger import log

OFF = "off"
TABLE_FILE, CHECKSUM = "features.arrow", "sha256"

_LAYOUT = 2
"""Of an entry: what another version wrote under another one is not found."""

MIN_ROWS = 1000
"""Fewer are tokenised anew, in a quarter of a second (bench/tokenise.py)."""

_ELSEWHERE = {
    "path",
    "hub",
    "client_files",
    "cache",
    "bad_rows",
    "max_train_rows",
    "max_validation_rows",
    "validation_share",
    "labels",
    "max_new_tokens",
}
"""Task settings that only say which rows there are, which their content says as well."""


class TokenCache:
    """Features by the content of their rows, for one tokenizer."""

    def __init__(self, folder: Path, tokenizer: PreTrainedTokenizerBase, min_rows: int = MIN_ROWS) -> None:
        self._folder, self._tokenizer, self._min_rows = folder, tokenizer, min_rows
        self._maker: str | None = None

    @classmethod
    def of(cls, setting: str, preprocessor: Preprocessor) -> "TokenCache | None":
        """The cache that `task.cache` names; None where it is off, or the preprocessor makes images and no tokens."""
        if setting == OFF or not isinstance(preprocessor, PreTrainedTokenizerBase):
            return None
        return cls(Path(setting).expanduser() if setting else Path(HF_HOME) / "florg", preprocessor)

    def features(
        self, rows: Dataset, task: TaskSettings, make: Callable[[], Features], keep: Callable[[], bool] = lambda: True
    ) -> Features:
        """What `make` gives for these rows, from the disk where it is there; the same values either way.

        `keep`, asked after `make`: whether that is all there is to know of these rows, none of them left out.
        """
        if len(rows) < self._min_rows:
            return make()
        entry = self._folder / self._key(rows, task)
        try:
            found = _load(entry)
        except (OSError, ValueError, pyarrow.ArrowException) as error:
            log(WARNING, "tokenised rows in %s are broken and made anew: %s", entry, error)
            _remove(entry)
            found = None
        if found is not None:
            return found
        features = make()
        if keep() and isinstance(features, list) and features and (table := to_table(features)) is not None:
            _store(entry, table)
        return features

    def _key(self, rows: Dataset, task: TaskSettings) -> str:
        if self._maker is None:
            self._maker = _tokenizer_digest(self._tokenizer) + _code_digest()
        how = json.dumps(task.model_dump(mode="json", exclude=_ELSEWHERE), sort_keys=True)
        return hashlib.sha256(f"{_LAYOUT}\n{self._maker}\n{how}\n{_rows_digest(rows)}".encode()).hexdigest()[:32]


def _load(entry: Path) -> Features | None:
    """The features of an entry, None where there is none. Raises OSError, ValueError or ArrowException where broken."""
    if not entry.is_dir():
        return None
    data = read_regular(entry / TABLE_FILE)
    if _checksum(entry, data) != read_regular(entry / CHECKSUM).decode("utf-8"):
        raise ValueError("its checksum is another")
    with suppress(OSError):  # a cache that may only be read does not say when it was used
        os.utime(entry)
    return from_table(pyarrow.ipc.open_stream(data).read_all())


def _store(entry: Path, table: pyarrow.Table) -> None:
    """Write an entry, unless another process has done so meanwhile. A disk that cannot be written costs only time."""
    try:
        with folder_atomically(entry) as folder:
            with pyarrow.ipc.new_stream(folder / TABLE_FILE, table.schema) as stream:
                stream.write_table(table)
            (folder / CHECKSUM).write_text(_checksum(entry, (folder / TABLE_FILE).read_bytes()), encoding="utf-8")
    except (OSError, ValueError) as error:
        if not entry.is_dir():
            log(
                WARNING, "task.cache: tokenised rows cannot be kept in %s: %s; set another folder, or off", entry, error
            )


def _checksum(entry: Path, data: bytes) -> str:
    """Of the features and of which they are: those of other rows under this name are as wrong as damaged ones."""
    return hashlib.sha256(entry.name.encode() + b"\n" + data).hexdigest()


def _remove(entry: Path) -> None:
    """Out of the way at once, since other processes may look for it while it is being deleted."""
    aside = entry.with_name(f".{entry.name}-{uuid4().hex[:8]}")
    try:
        entry.rename(aside)
    except OSError:
        return  # another process was faster, or the cache may only be read
    shutil.rmtree(aside, ignore_errors=True)


def _rows_digest(rows: Dataset) -> str:
    """Of names, types and values, whatever files and rows they are from and however Arrow holds them."""
    own = rows.remove_columns(ORIGIN_COLUMN) if ORIGIN_COLUMN in rows.column_names else rows
    table: Any = own.with_format("arrow")[:]
    table = table.combine_chunks().replace_schema_metadata(None)
    digest = hashlib.sha256()
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    digest.update(sink.getvalue())
    return digest.hexdigest()


def _tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """Of everything that decides about tokens; not of the truncation and padding that a fast one was last used with."""
    settings = {name: repr(value) for name, value in sorted(tokenizer.init_kwargs.items()) if name != "name_or_path"}
    parts: list[Any] = [type(tokenizer).__name__, settings, tokenizer.chat_template, tokenizer.model_input_names]
    parts += [tokenizer.padding_side, tokenizer.truncation_side, tokenizer.special_tokens_map]
    if isinstance(tokenizer, PreTrainedTokenizerFast):
        whole = json.loads(tokenizer.backend_tokenizer.to_str())
        parts.append({name: part for name, part in whole.items() if name not in ("truncation", "padding")})
    else:
        parts.append(sorted(tokenizer.get_vocab().items()))
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()


def _code_digest() -> str:
    """Of the tasks' code and of the libraries that tokenise."""
    digest = hashlib.sha256("/".join(version(name) for name in ("transformers", "tokenizers", "pyarrow")).encode())
    for path in sorted((code_version.APP_ROOT / "florg_app").glob("tasks/**/*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
