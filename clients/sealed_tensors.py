"""Tensors and texts in one safetensors file that tells whether it still is what was written.

Two SHA-256 digests lie among the file's texts: one of the tensors, and one of all texts, the first digest among them.
So the texts alone can be trusted without reading the tensors. They guard against disks, not against forgers.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from clients.atomic_files import write_tensors

TEXTS_SEAL, TENSORS_SEAL = "florg.sha256-texts", "florg.sha256-tensors"

MAX_HEADER_BYTES = 32_000_000
"""Names, shapes and texts of a file; a longer header is refused before it is read."""


class DamagedError(ValueError):
    """A file is not what was written; the message says what is wrong with it, but not which file it is."""


def save_sealed(path: Path, tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> None:
    """Write contiguous CPU tensors that share no memory, and texts, sealed; replaces `path` atomically.

    Raises OSError where the disk fails; `path` is then as it was.
    """
    assert not {TEXTS_SEAL, TENSORS_SEAL} & texts.keys(), "the seals are made here"
    sealed = {**texts, TENSORS_SEAL: _tensors_digest(tensors)}
    sealed[TEXTS_SEAL] = _texts_digest(sealed)
    write_tensors(path, lambda temporary: save_file(dict(tensors), temporary, sealed))


def load_sealed(path: Path) -> tuple[dict[str, Tensor], dict[str, str], bool]:
    """The tensors by name, the texts, and whether the file is sealed: those of earlier versions are not.

    Raises DamagedError.
    """
    with _opened(path) as file:
        texts, seal = _texts(file)
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    if seal is not None and _tensors_digest(tensors) != seal:
        raise DamagedError("its tensors are not those that were written (another SHA-256)")
    return tensors, texts, seal is not None


def read_sealed_texts(path: Path) -> tuple[dict[str, str], bool]:
    """The texts, and whether the file is sealed, without reading the tensors. Raises DamagedError."""
    with _opened(path) as file:
        texts, seal = _texts(file)
    return texts, seal is not None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        if not path.is_file():  # before it is opened: reading a pipe would wait for its writer
            raise DamagedError("it is a folder" if path.is_dir() else "it is no regular file")
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER_BYTES:
            raise DamagedError(f"it is no safetensors file, or its header of {length} bytes is too long")
        with safe_open(path, framework="pt") as opened:
            yield opened
    except (SafetensorError, OSError) as error:
        raise DamagedError(f"it is truncated or no safetensors file ({error})") from error


def _texts(file: Any) -> tuple[dict[str, str], str | None]:
    """The texts of an opened file without the seals, and the seal of its tensors; None where it has no seals."""
    texts = dict(file.metadata() or {})
    found = texts.pop(TEXTS_SEAL, None)
    if found is None and TENSORS_SEAL not in texts:
        return texts, None
    if found != _texts_digest(texts):
        raise DamagedError("its header is not the one that was written (another SHA-256)")
    return texts, texts.pop(TENSORS_SEAL, "")


def _texts_digest(texts: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(texts.items())).encode()).hexdigest()


def _tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """Of names, types, shapes and bytes; the order in which the file has them does not matter."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
