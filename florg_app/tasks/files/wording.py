"""How errors about data are put: in two wordings, one that may quote rows, and one that may leave their machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from logging import ERROR
from pathlib import Path

from florg_app.config.flat import listed_names
from florg_app.config.parse import ConfigError
from strategies.logger import log


class DataError(ValueError):
    """`str` may quote the data; `public` does not, and is the same where the words quote nothing."""

    def __init__(self, text: str, public: str | None = None) -> None:
        super().__init__(text)
        self.public = text if public is None else public


@dataclass(frozen=True)
class BadCell:
    """Stands for a cell that a reader could not make a value of."""

    problem: str
    """In words that can follow the name of the column, and quote nothing."""


def public_words(error: ValueError) -> str:
    """The words without any of the data; those of an error that makes no such promise are withheld."""
    return error.public if isinstance(error, DataError) else "cannot be used, for a reason that may quote it"


def surrounded(before: str, problem: ValueError, after: str = "") -> DataError:
    """The problem with words around it."""
    return DataError(f"{before}{problem}{after}", f"{before}{public_words(problem)}{after}")


def columns_named(names: Sequence[str]) -> str:
    """Names of columns for a message: separated by commas, in quotation marks where they hold some."""
    return listed_names(names) if names else "none"


@dataclass(frozen=True)
class Wording:
    """Who speaks of which data: the setting that names their place is the head of every message."""

    key: str
    path: Path
    private: bool = False
    """Messages quote nothing of the rows, since they go to the server; the log of this machine has the whole."""

    def error(self, path: Path, problem: str | ValueError) -> ConfigError:
        """The error about a file, in public words where the data are private."""
        head = f'{self.key} = "{self.path}": {path.name}: '
        if isinstance(problem, str) or not self.private:
            return ConfigError(f"{head}{problem}")
        if public_words(problem) != str(problem):
            log(ERROR, "on this machine alone: %s%s", head, problem)
        return ConfigError(head + public_words(problem))
