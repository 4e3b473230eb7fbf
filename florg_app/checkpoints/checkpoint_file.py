"""The server's state on disk: one sealed file, complete or absent, that resumes a run bit for bit."""

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from clients.sealed_tensors import DamagedError, load_sealed, read_sealed_texts, save_sealed
from strategies.state import State

CHECKPOINT_FILE = "checkpoint.safetensors"
"""Its name in the folder of a run."""

FORMAT, UNSEALED_FORMAT = "florg-checkpoint/2", "florg-checkpoint/1"
"""What is written, and what earlier versions wrote: without digests, so that damage shows only where it is gross."""

FORMAT_KEY = "florg.format"
_ORDER_KEY = "florg.keys"

_KEYS = TypeAdapter(list[str])


def save_checkpoint(path: Path, state: State, metadata: Mapping[str, str]) -> None:
    """Write the state under keys "group/symbol", with the metadata in the file's header; replaces `path` atomically.

    Raises OSError where the folder cannot be written; the previous checkpoint is then still there.
    """
    for name in (symbol for symbols in state.values() for symbol in symbols):
        assert "/" not in name, f"symbol {name!r} would make the key group/symbol ambiguous"
    # Copies: safetensors refuses shared memory.
    tensors = state.map(lambda tensor: tensor.detach().cpu().clone().contiguous()).flat
    # safetensors sorts its keys by dtype and size; the order of groups and symbols is part of the state.
    save_sealed(path, tensors, {**metadata, FORMAT_KEY: FORMAT, _ORDER_KEY: json.dumps(list(tensors))})


def load_checkpoint(path: Path) -> tuple[State, dict[str, str]]:
    """The state, in the order and dtypes in which it was saved, and its metadata with the format under FORMAT_KEY.

    Raises ValueError, naming the file and its fault, where it is absent, damaged or no checkpoint of ours.
    """
    _check_there(path)
    try:
        tensors, texts, sealed = load_sealed(path)
    except DamagedError as error:
        raise _unusable(path, error) from error
    metadata, order = _metadata(path, texts, sealed)
    if sorted(order) != sorted(tensors):
        raise ValueError(f"checkpoint {path} lists the tensors {sorted(order)} but holds {sorted(tensors)}")
    return State.from_flat({key: tensors[key] for key in order}), metadata


def read_checkpoint_header(path: Path) -> dict[str, str]:
    """The metadata alone, without reading the tensors. Raises ValueError as `load_checkpoint` does."""
    _check_there(path)
    try:
        texts, sealed = read_sealed_texts(path)
    except DamagedError as error:
        raise _unusable(path, error) from error
    return _metadata(path, texts, sealed)[0]


def _check_there(path: Path) -> None:
    if not path.exists():
        raise ValueError(f"checkpoint {path} does not exist; give the path of a .safetensors file of an earlier run")


def _unusable(path: Path, error: DamagedError) -> ValueError:
    return ValueError(f"checkpoint {path} cannot be used: {error}; use an earlier one")


def _metadata(path: Path, texts: dict[str, str], sealed: bool) -> tuple[dict[str, str], list[str]]:
    """The metadata, and the keys of the tensors in their order."""
    found = texts.get(FORMAT_KEY)
    if found not in (FORMAT, UNSEALED_FORMAT):
        raise ValueError(f"{path} is no checkpoint of this application: format {found!r}, expected {FORMAT!r}")
    if found == FORMAT and not sealed:
        raise ValueError(f"checkpoint {path} cannot be used: it has lost its digests; use an earlier one")
    try:
        order = _KEYS.validate_json(texts.pop(_ORDER_KEY, ""), strict=True)
    except ValidationError as error:
        raise ValueError(
            f"checkpoint {path} cannot be used: it does not list its tensors; use an earlier one"
        ) from error
    return texts, order
