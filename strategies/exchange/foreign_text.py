"""Words of others made fit to be kept and shown: a client's error, the name of a metric, what a node says of itself.

Everything that a client wrote passes through here before it reaches a log, a history, a terminal or a page.
"""

import re
import unicodedata

LONGEST_TEXT = 2000
"""Characters of a foreign text that are kept."""

LONGEST_NAME = 60
"""Characters of a foreign name, or of a value, that are shown."""

_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories of what is no letter to read: controls (NEL, escapes), formats (directions), line separators."""

_MARKUP = re.compile(r"\[([a-zA-Z#/@][^\[\]]*)\]")
"""What rich would take for a tag."""


def safe_text(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return a text as one line of visible characters that no terminal, JSON reader or markup takes for a command.

    What is not visible becomes a space, neighbouring spaces one, square brackets round a word round ones; what is
    beyond `longest` characters is cut off, and how much that was is said.

    >>> safe_text("disk \\x1b[31mfull\\u2028[/red] really")
    'disk [31mfull (/red) really'
    """
    kept = "".join(" " if unicodedata.category(letter) in _INVISIBLE else letter for letter in text[:longest])
    plain = _MARKUP.sub(r"(\1)", " ".join(kept.split()))
    return plain if len(text) <= longest else f"{plain} ... ({len(text) - longest} more characters)"


def shown_value(value: object) -> str:
    """Return a few words for a value that somebody sent: itself where it is short, else what kind of thing it is.

    >>> shown_value(10**5000), shown_value([1, 2]), shown_value("a\\nb"), shown_value(None)
    ('a whole number of 16610 bits', 'a list of 2', "'a b'", 'None')
    """
    if isinstance(value, str):
        return f"'{safe_text(value, LONGEST_NAME)}'"
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a whole number of {value.bit_length()} bits"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    return f"a list of {len(value)}" if isinstance(value, list | tuple) else f"a {type(value).__name__}"


def shown_names(names: list[str], most: int = 5) -> str:
    """Return the first names of many for people: "'a', 'b' and 7 more"."""
    first = ", ".join(shown_value(name) for name in names[:most])
    return first if len(names) <= most else f"{first} and {len(names) - most} more"
