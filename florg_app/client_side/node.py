"""A SuperNode's own data: where its configuration says they are; no error's words take anything of a row along."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR
from pathlib import Path

from flwr.app import Context

from florg_app.config.parse import ConfigError
from strategies.exchange.wire import RefusalError
from strategies.logger import log

DATA, VALIDATION_PATH = "data-path", "validation-path"


def own_paths(context: Context) -> tuple[Path | None, Path | None]:
    """(data-path, validation-path) of this node, None where it has none. Raises ConfigError for the second alone."""
    data, validation = (context.node_config.get(key) for key in (DATA, VALIDATION_PATH))
    if validation and not data:
        raise ConfigError(
            f"the node configuration has {VALIDATION_PATH} = {validation!r} without {DATA}: validation rows belong to "
            f"rows to train on; add {DATA}, or remove {VALIDATION_PATH}"
        )
    return Path(str(data)) if data else None, Path(str(validation)) if validation else None


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
