"""One reading of equal values of different types: files write the number 1 as 1, 1.0, "1", True or a decimal.

pandas makes a column of whole numbers float once a cell has been empty, a spreadsheet pads names with spaces, Python
spells a truth value "True" and JSON `true`. What means the same must be the same class or client in every file.
"""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np

from florg_app.tasks.files.wording import BadCell

INVISIBLE = "\ufeff\u200b"
"""Characters that pad a name unseen, beside white space: a byte order mark, a space of no width."""

_WHOLE_AS_FLOAT = re.compile(r"(-?)(0|[1-9][0-9]*)\.0*")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")

_EXACT = 2**53
"""Beyond it a float has lost the last digits of a whole number."""

_LARGEST = float(np.finfo(np.float32).max)

TRUTH: Mapping[str, str] = {"true": "1", "false": "0"}
"""Truth values as the numbers that they equal."""


def plain_value(value: Any) -> Any:
    """The value as None, bool, int, float or str where it is one of them in another dress; else as it is.

    None: also NaN and a missing time. Whole numbers become int whatever their type; times become ISO 8601 text, of a
    midnight the date alone.
    """
    if isinstance(value, np.generic):
        value = None if isinstance(value, np.datetime64 | np.timedelta64) and np.isnat(value) else value.item()
    if isinstance(value, float | Decimal | datetime) and value != value:  # NaN, and a time that is missing
        return None
    if isinstance(value, float | Decimal):
        return int(value) if math.isfinite(value) and value == int(value) else value
    if isinstance(value, datetime):
        return (value.date() if value.timetz() == time() else value).isoformat()
    return value.isoformat() if isinstance(value, date | time) else value


def stripped(text: str) -> str:
    """The text in composed characters (NFC), without white space and invisible characters around it."""
    return unicodedata.normalize("NFC", text).strip().strip(INVISIBLE).strip()


def read_name(value: Any) -> str:
    """The name of a class or a client: one text for all values that mean the same.

    Whole numbers by their digits, also those written as 1.0 in text; truth values as true and false, in letters of any
    case. Raises ValueError, in words that can follow the value, where it is no name.
    """
    if isinstance(value, BadCell):
        raise ValueError(value.problem)
    if isinstance(value, float) and _EXACT < abs(value) < math.inf:
        raise ValueError("is a float too large for its last digits to be right, and so no name; write it as text")
    value = plain_value(value)
    if value is None:
        raise ValueError("is missing, and so no name")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | Decimal):
        raise ValueError("is neither a text nor a whole number, and so no name; write it as text if it is meant as one")
    if not isinstance(value, str | int):
        raise ValueError("is neither a text nor a whole number, and so no name")
    name = stripped(str(value))
    if whole := _WHOLE_AS_FLOAT.fullmatch(name):
        sign, digits = whole.groups()
        return digits if digits == "0" else f"{sign}{digits}"
    return name.lower() if name.lower() in TRUTH else "0" if name == "-0" else name


def read_whole(value: Any) -> int:
    """A whole number, also one written as text or of a type for fractions. Raises ValueError where it is none."""
    value = plain_value(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", name := read_name(value)):
        return int(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("is no whole number")
    return value


def read_number(value: Any) -> float:
    """A finite number that float32 can hold, also one written as text. Raises ValueError where it is none."""
    value = plain_value(value)
    if isinstance(value, str):
        value = float(stripped(value)) if _NUMBER.fullmatch(stripped(value)) else None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not abs(number) <= _LARGEST:
        raise ValueError("is not a number that float32 can hold")
    return number


def alias_of(name: str, known: Sequence[str]) -> str:
    """The known name that this one means: itself, or the number of a truth value where the numbers are known, and back.

    Truth values and 0 and 1 mean the same where the known names are the two of one kind.
    """
    if set(known) == set(TRUTH.values()):
        return TRUTH.get(name, name)
    if set(known) == set(TRUTH):
        return {number: truth for truth, number in TRUTH.items()}.get(name, name)
    return name
