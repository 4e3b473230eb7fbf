"""The server's state on disk: one safetensors file, complete or absent, that resumes a run bit for bit."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from clients.atomic_files import write_tensors
from strategies.state import State

CHECKPOINT_FILE = "checkpoint.safetensors"
"""Its name in the folder of a run."""

_FORMAT = "florg-checkpoint/1"
_FORMAT_KEY, _ORDER_KEY = "florg.format", "florg.keys"


def save_checkpoint(path: Path, state: State, metadata: Mapping[str, str]) -> None:
    """Write the state under keys "group/symbol", with the metadata in the file's header; replaces `path` atomically.

    Raises OSError where the folder cannot be written; the previous checkpoint is then still there.
    """
    for name in (symbol for symbols in state.values() for symbol in symbols):
        assert "/" not in name, f"symbol {name!r} would make the key group/symbol ambiguous"
    # Copies: safetensors refuses shared memory.
    tensors = state.map(lambda tensor: tensor.detach().cpu().clone().contiguous()).flat
    # safetensors sorts its keys by dtype and size; the order of groups and symbols is part of the state.
    header = {**metadata, _FORMAT_KEY: _FORMAT, _ORDER_KEY: json.dumps(list(tensors))}
    write_tensors(path, lambda temporary: save_file(tensors, temporary, header))


def load_checkpoint(path: Path) -> tuple[State, dict[str, str]]:
    """The state, in the order and dtypes in which it was saved, and its metadata.

    Raises ValueError, naming the file and its fault, where it is absent, truncated or no checkpoint of ours.
    """
    with _opened(path) as file:
        metadata = _metadata(path, file)
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    order = json.loads(metadata.pop(_ORDER_KEY))
    if sorted(order) != sorted(tensors):
        raise ValueError(f"checkpoint {path} lists the tensors {sorted(order)} but holds {sorted(tensors)}")
    return State.from_flat({key: tensors[key] for key in order}), metadata


def read_checkpoint_header(path: Path) -> dict[str, str]:
    """The metadata alone, without reading the tensors. Raises ValueError as `load`."""
    with _opened(path) as file:
        metadata = _metadata(path, file)
    del metadata[_ORDER_KEY]
    return metadata


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise ValueError(f"checkpoint {path} does not exist; give the path of a .safetensors file of an earlier run")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"checkpoint {path} is truncated or no safetensors file ({error}); use an earlier one"
        ) from error


def _metadata(path: Path, file: Any) -> dict[str, str]:
    metadata = dict(file.metadata() or {})
    found = metadata.pop(_FORMAT_KEY, None)
    if found != _FORMAT:
        raise ValueError(f"{path} is no checkpoint of this application: format {found!r}, expected {_FORMAT!r}")
    return metadata
