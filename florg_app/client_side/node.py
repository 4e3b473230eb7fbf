"""A SuperNode's own configuration: its partition, its name, its data; no error's words take anything of a row along."""

import hashlib
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR
from pathlib import Path
from typing import Any

from flwr.app import Context

from florg_app.config.parse import ConfigError
from florg_app.tasks.files.canonical import read_whole
from strategies.exchange.hello import NAME, PARTITIONS, Hello
from strategies.exchange.wire import PARTITION, RefusalError
from strategies.logger import log

OWN_DATA, VALIDATION_PATH = "data-path", "validation-path"

_BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Tells a machine from all others, its containers included, until it is started anew."""


def partition_of(context: Context) -> tuple[int, int]:
    """(partition id, number of partitions) of this node. Raises ConfigError where its configuration has no such two."""
    partition, total = (_whole(context.node_config, key) for key in (PARTITION, PARTITIONS))
    if not 0 <= partition < total:
        raise ConfigError(
            f"the node configuration has {PARTITION} = {partition}, which is not in 0 .. {PARTITIONS} - 1 = {total - 1}"
        )
    return partition, total


def name_of_client(context: Context) -> str:
    """What the client's files are called: client-name, or else the number of its partition."""
    return str(context.node_config.get(NAME, partition_of(context)[0]))


def own_paths(context: Context) -> tuple[Path | None, Path | None]:
    """(data-path, validation-path) of this node, None where it has none. Raises ConfigError for the second alone."""
    data, validation = (context.node_config.get(key) for key in (OWN_DATA, VALIDATION_PATH))
    if validation and not data:
        raise ConfigError(
            f"the node configuration has {VALIDATION_PATH} = {validation!r} without {OWN_DATA}: validation rows "
            f"belong to rows to train on; add {OWN_DATA}, or remove {VALIDATION_PATH}"
        )
    return Path(str(data)) if data else None, Path(str(validation)) if validation else None


def introduce(context: Context) -> Hello:
    """Say what the server compares across the federation. Raises ConfigError where that cannot be used."""
    (partition, total), data = partition_of(context), own_paths(context)[0]
    return Hello(partition, total, data is not None, None, name_of_client(context), place_of(data))


def place_of(path: Path | None) -> str:
    """A digest that two nodes share where they read the same files of one machine; empty where there are none."""
    try:
        found = path and path.expanduser().stat()
    except OSError:
        return ""
    if not found:
        return ""
    machine = _BOOT.read_text() if _BOOT.is_file() else str(uuid.getnode())
    return hashlib.sha256(f"{machine} {found.st_dev} {found.st_ino}".encode()).hexdigest()[:16]


@contextmanager
def redact_errors(context: Context) -> Iterator[None]:
    """On a node with its own data, the server learns of a foreign error only its type and place.

    RefusalError and ConfigError are made of words that quote no rows, and pass; any other text may, and is logged here.
    """
    try:
        yield
    except (RefusalError, ConfigError):
        raise
    except Exception as error:
        if own_paths(context) == (None, None):
            raise
        log(ERROR, "on this machine alone: training failed", exc_info=error)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise RefusalError(
            f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}; since the rows are private, "
            "its words are in the log of this client alone"
        ) from None


def _whole(node: Any, key: str) -> int:
    example = '--node-config "partition-id=0 num-partitions=2"'
    if key not in node:
        raise ConfigError(f"the node configuration has no '{key}': start the SuperNode with {example}")
    try:
        return read_whole(node[key])
    except ValueError:
        raise ConfigError(
            f"the node configuration has {key} = {node[key]!r}: expected a whole number, such as {example}"
        ) from None
