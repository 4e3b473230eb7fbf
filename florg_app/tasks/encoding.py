"""Rows through a tokenizer: all at once, and where that fails, in ever smaller parts, until the rows are found."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from florg_app.config.parse import ConfigError
from florg_app.tasks.files.wording import DataError, surrounded

T = TypeVar("T")

Refuse = Callable[[int, DataError], None]
"""(place of a row, what is wrong with it): leaves it out, or ends the run."""


def encode_rows(
    encode: Callable[[Sequence[int]], T], places: Sequence[int], what: str, refuse: Refuse
) -> Iterator[tuple[Sequence[int], T]]:
    """Encode rows as many at once as goes; where that fails, the rows at fault are found by halving and refused.

    Args:
        encode: makes something of the rows at these places; what it raises is the fault of a row, but for ConfigError.
        places: of the rows, in order.
        what: what is encoded, for messages.
        refuse: gets each place that `encode` fails for, with the reason in words.

    Yields:
        (places, what `encode` made of them), in order, without refused rows.
    """
    if not places:
        return
    try:
        found = encode(places)
    except ConfigError:
        raise
    except Exception as error:  # of tokenizers, in Rust and in Python, of any class
        if len(places) == 1:
            refuse(places[0], _problem(what, error))
            return
        half = len(places) // 2
        yield from encode_rows(encode, places[:half], what, refuse)
        yield from encode_rows(encode, places[half:], what, refuse)
    else:
        yield places, found


def _problem(what: str, error: Exception) -> DataError:
    if isinstance(error, DataError):
        return surrounded(f"{what} ", error)
    cannot = f"{what} cannot be tokenised"
    return DataError(f"{cannot} ({type(error).__name__}: {error})", f"{cannot} ({type(error).__name__})")
